"""Read the settings from the environment, once, into a frozen object; report all faults together."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from limits import parse

from portal.core import service_urls
from portal.core.addresses import AddressInvalid, normalise
from portal.core.service_urls import LOOPBACK, MailServer

PREFIX = "PORTAL_"
ENVIRONMENTS = ("production", "demo", "test")
# In KiB. OWASP: at least 19 MiB with two passes or 46 MiB with one. More than 4 GiB is a typing error.
MIN_MEMORY, MIN_WORK, MAX_MEMORY = 19_456, 38_912, 4_194_304
# A host name, an IPv4 address or an IPv6 address in brackets, and an optional port.
HOST = r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?\Z"
MAX_PORT = 65_535
YES, NO = ("1", "true", "yes"), ("0", "false", "no", "")
DEFAULT_PORTS = {"http": 80, "https": 443}
NO_REDIS = (
    "is not supported, remove it: this version has no Redis. Rate limits are in the database, which all web "
    "processes share"
)
KNOWN = frozenset(
    [
        "ENVIRONMENT",
        "BASE_URL",
        "DATABASE_URL",
        "MAIL_URL",
        "MAIL_SENDER",
        "WEB_KEYS_FILE",
        "WORKER_KEYS_FILE",
        "EMBEDDED",
        "ORGANISATION",
        "CONTACT_EMAIL",
        "CONTACT_PHONE",
        "BRAND_COLOUR",
        "LOGO_FILE",
        "LANGUAGES",
        "TIMEZONE",
        "TRUSTED_PROXIES",
        "ARGON2",
        "RATE_INTAKE_IP",
        "RATE_INTAKE_GLOBAL",
        "RATE_SIGN_IN_IP",
        "IDENTITY_STORE",
        "LISTEN",
        "DEMO_MAILBOX",
    ]
)
# Variables of earlier versions: ignored, so that an old configuration still starts.
UNUSED = frozenset(["PORTAL_QUEUE_FILE", "PORTAL_QUEUE_FILE_FILE"])


class SettingsInvalid(Exception):
    """The environment is invalid; `faults` names variables, never their values."""

    def __init__(self, faults: list[str], settings: "Settings") -> None:
        """Store the faults, and the settings as far as they were read, so that the doctor can check more."""
        self.faults = faults
        self.settings = settings
        super().__init__("\n".join(faults))


@dataclass(frozen=True)
class Argon2Parameters:
    """The cost of one Argon2id hash (RFC 9106): memory in KiB, passes, lanes."""

    memory: int = 47_104
    time: int = 1
    lanes: int = 1


@dataclass(frozen=True)
class Settings:
    """The operator's settings. Relative paths start at the working directory."""

    environment: str = "production"
    base_url: str = "http://localhost:8000"
    database_url: str = field(default="sqlite:///var/portal.db", repr=False)
    mail: MailServer = field(default=MailServer("localhost", 25, tls="none"), repr=False)
    mail_fault: str | None = None
    mail_sender: str = "portal@localhost"
    web_keys_file: Path = Path("var/keys/web.json")
    worker_keys_file: Path = Path("var/keys/worker.json")
    embedded: bool = False
    organisation: str = "Our company"
    contact_email: str = ""
    contact_phone: str = ""
    brand_colour: str = "#1d5b8f"
    logo_file: Path | None = None
    languages: tuple[str, ...] = ("en", "es")
    timezone: str = "UTC"
    trusted_proxies: int = 0
    argon2: Argon2Parameters = Argon2Parameters()
    rate_intake_ip: str = "60 per hour"
    rate_intake_global: str = "20 per second"
    rate_sign_in_ip: str = "100 per hour"
    identity_store: str = "builtin"
    listen: str = "127.0.0.1:8000"
    demo_mailbox: Path | None = None
    unused: tuple[str, ...] = ()  # variables that are set and ignored by this version

    @cached_property
    def production(self) -> bool:
        """Whether this is a production environment, neither demo nor test."""
        return self.environment == "production"

    @cached_property
    def default_language(self) -> str:
        """The language for people whose own is unknown."""
        return self.languages[0]

    @cached_property
    def host(self) -> str:
        """The host name of the base URL, with the port unless it is the scheme's default."""
        return urlsplit(self.base_url).netloc

    @cached_property
    def https(self) -> bool:
        """Whether browsers reach the portal over TLS."""
        return self.base_url.startswith("https:")

    @property
    def web_alone(self) -> bool:
        """Whether this user can read the web server's key file and not the worker's."""
        return os.access(self.web_keys_file, os.R_OK) and not os.access(self.worker_keys_file, os.R_OK)

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, sends_mail: bool | None = True) -> "Settings":
        """Return the settings from `PORTAL_…` variables, each of which may also be given as `PORTAL_…_FILE`.

        With `sends_mail` False, `PORTAL_MAIL_URL` is not read: a process that sends no mail must not need the
        relay's password. None reads it unless this user can read the web server's key file alone; a fault in
        it is then in `mail_fault` and does not raise, since the cause may be the key files' permissions.
        Raises SettingsInvalid, with all faults.
        """
        return _Reader(environ).settings(sends_mail=sends_mail)


class _Reader:
    """Reads one environment and collects its faults."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
        self.faults: list[str] = []
        self.defaults = Settings()

    def settings(self, *, sends_mail: bool | None) -> Settings:
        self._refuse_unknown()
        environment = self.text("ENVIRONMENT", "production")
        if environment not in ENVIRONMENTS:
            self.fault("ENVIRONMENT", f"must be one of {', '.join(ENVIRONMENTS)}")
        production = environment not in ("demo", "test")
        settings = Settings(
            environment=environment,
            base_url=self._base_url(production),
            database_url=self._database_url(production),
            mail_sender=self._address("MAIL_SENDER", production, self.defaults.mail_sender),
            web_keys_file=Path(self.text("WEB_KEYS_FILE", str(self.defaults.web_keys_file))),
            worker_keys_file=Path(self.text("WORKER_KEYS_FILE", str(self.defaults.worker_keys_file))),
            embedded=self._yes_or_no("EMBEDDED"),
            organisation=self._required("ORGANISATION", production, self.defaults.organisation),
            contact_email=self._address("CONTACT_EMAIL", production, ""),
            contact_phone=self.text("CONTACT_PHONE", ""),
            brand_colour=self._matching(
                "BRAND_COLOUR", r"#[0-9a-fA-F]{6}\Z", self.defaults.brand_colour, "a colour like #1d5b8f"
            ),
            logo_file=self._logo(),
            languages=self._languages(),
            timezone=self._timezone(),
            trusted_proxies=self._count("TRUSTED_PROXIES", 0, 10),
            argon2=self._argon2(production),
            rate_intake_ip=self._rate("RATE_INTAKE_IP", self.defaults.rate_intake_ip),
            rate_intake_global=self._rate("RATE_INTAKE_GLOBAL", self.defaults.rate_intake_global),
            rate_sign_in_ip=self._rate("RATE_SIGN_IN_IP", self.defaults.rate_sign_in_ip),
            identity_store=self._matching("IDENTITY_STORE", r"builtin\Z", "builtin", "builtin"),
            listen=self._listen(),
            demo_mailbox=self._demo_mailbox(environment),
            unused=tuple(sorted(UNUSED & self.environ.keys())),
        )
        if sends_mail:
            settings = replace(settings, mail=self._mail(production))
        elif sends_mail is None and not settings.web_alone:
            before = len(self.faults)
            mail = self._mail(production)
            mail_fault = "; ".join(self.faults[before:]) or None
            del self.faults[before:]
            settings = replace(settings, mail=mail, mail_fault=mail_fault)
        if environment == "demo" and (urlsplit(settings.base_url).hostname or "") not in LOOPBACK:
            self.fault("BASE_URL", "must be a localhost address: the demonstration runs on this machine only")
        if not production and settings.listen.rpartition(":")[0].strip("[]") not in LOOPBACK:
            self.fault(
                "LISTEN", "must be a loopback address such as 127.0.0.1 unless PORTAL_ENVIRONMENT=production"
            )
        if self.faults:
            raise SettingsInvalid(self.faults, settings)
        return settings

    def fault(self, name: str, what: str) -> None:
        self.faults.append(f"{PREFIX}{name}: {what}")

    def text(self, name: str, default: str) -> str:
        value = self.environ.get(PREFIX + name)
        file = self.environ.get(f"{PREFIX}{name}_FILE")
        if file is not None and f"{name}_FILE" not in KNOWN:
            if value is not None:
                self.fault(name, f"is set twice, also as {PREFIX}{name}_FILE; remove one")
            try:
                value = Path(file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                self.fault(f"{name}_FILE", f"cannot read the file ({type(error).__name__})")
        return default if value is None else value

    def _refuse_unknown(self) -> None:
        for full in sorted(self.environ.keys() - UNUSED):
            name = full.removeprefix(PREFIX)
            if name.removesuffix("_FILE") == "REDIS_URL":
                self.fault(name, NO_REDIS)
            elif name not in KNOWN and name.removesuffix("_FILE") not in KNOWN:
                self.fault(name, "unknown setting; is it misspelled?")

    def _required(self, name: str, production: bool, default: str) -> str:
        value = self.text(name, "" if production else default)
        if not value.strip():
            self.fault(name, "is required")
        if any(ord(character) < ord(" ") for character in value):
            self.fault(name, "must be one line")
        return value.strip()

    def _matching(self, name: str, pattern: str, default: str, what: str) -> str:
        value = self.text(name, default)
        if not re.match(pattern, value):
            self.fault(name, f"must be {what}")
        return value

    def _listen(self) -> str:
        value = self._matching("LISTEN", r"\S+:[0-9]{1,5}\Z", self.defaults.listen, "host:port")
        port = value.rpartition(":")[2]
        if port.isdecimal() and not 0 < int(port) <= MAX_PORT:
            self.fault("LISTEN", f"must end with a port from 1 to {MAX_PORT}")
        return value

    def _base_url(self, production: bool) -> str:
        value = self.text("BASE_URL", "" if production else self.defaults.base_url).rstrip("/")
        try:
            parts = urlsplit(value)
            valid = (
                parts.scheme in ("http", "https")
                and bool(re.match(HOST, parts.netloc))
                and not (parts.path or parts.query or parts.fragment)
                and parts.port != 0
            )
        except ValueError:
            parts, valid = urlsplit(""), False
        if not value:
            self.fault("BASE_URL", "is required: the URL under which people reach the portal")
        elif not valid:
            self.fault("BASE_URL", "must be like https://incident.example.com, without a path")
        elif production and parts.scheme != "https":
            self.fault("BASE_URL", "must start with https in production")
        return _origin(parts) if valid else value

    def _database_url(self, production: bool) -> str:
        value = self.text("DATABASE_URL", self.defaults.database_url)
        try:
            url = service_urls.database_url(value)
        except service_urls.AddressWrong as error:
            self.fault("DATABASE_URL", str(error))
            return value
        if production and (weakness := service_urls.weakness_of_database(url)):
            self.fault("DATABASE_URL", weakness)
        return value

    def _mail(self, production: bool) -> MailServer:
        value = self.text("MAIL_URL", "" if production else "smtp://localhost:25?tls=none")
        if not value:
            self.fault("MAIL_URL", f"is required; it {service_urls.MAIL_LIKE}")
            return self.defaults.mail
        try:
            server = service_urls.mail_server(value)
        except service_urls.AddressWrong as error:
            self.fault("MAIL_URL", str(error))
            return self.defaults.mail
        if production and (weakness := service_urls.weakness_of_mail(server)):
            self.fault("MAIL_URL", weakness)
        return server

    def _address(self, name: str, production: bool, default: str) -> str:
        value = (
            self._required(name, production, default)
            if production or name == "MAIL_SENDER"
            else self.text(name, default)
        )
        if not value or value == default:
            return value
        try:
            address = normalise(value)
        except AddressInvalid:
            self.fault(name, "must be an email address")
            return value
        if not address.isascii():  # few relays accept SMTPUTF8, and the portal does not check for it
            self.fault(name, "must have ASCII characters only before its @")
        return address

    def _logo(self) -> Path | None:
        value = self.text("LOGO_FILE", "")
        if not value:
            return None
        path = Path(value)
        if not path.is_file() or path.suffix.lower() not in (".png", ".svg", ".webp", ".jpg", ".jpeg"):
            self.fault("LOGO_FILE", "must be an existing PNG, SVG, WebP or JPEG file")
        return path

    def _languages(self) -> tuple[str, ...]:
        languages = tuple(tag.strip() for tag in self.text("LANGUAGES", "en,es").split(",") if tag.strip())
        for tag in languages:
            try:
                Locale.parse(tag.replace("-", "_"))
            except (UnknownLocaleError, ValueError):
                self.fault("LANGUAGES", "must be language tags separated by commas, like en,es")
                break
        if not languages:
            self.fault("LANGUAGES", "must name at least one language")
        return languages or ("en",)

    def _timezone(self) -> str:
        value = self.text("TIMEZONE", "UTC")
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            self.fault("TIMEZONE", "must be an IANA time zone, like Europe/Madrid")
        return value

    def _yes_or_no(self, name: str) -> bool:
        value = self.text(name, "0")
        if value not in (*YES, *NO):
            self.fault(name, "must be 1 or 0")
        return value in YES

    def _count(self, name: str, default: int, most: int) -> int:
        value = self.text(name, str(default))
        if not re.match(r"[0-9]{1,3}\Z", value) or int(value) > most:
            self.fault(name, f"must be a number from 0 to {most}")
            return default
        return int(value)

    def _argon2(self, production: bool) -> Argon2Parameters:
        match = re.match(r"m=(\d{1,8}),t=(\d{1,3}),p=(\d{1,2})\Z", self.text("ARGON2", "m=47104,t=1,p=1"))
        if not match:
            self.fault("ARGON2", "must be like m=47104,t=1,p=1 (memory in KiB, passes, lanes)")
            return Argon2Parameters()
        memory, time, lanes = (int(group) for group in match.groups())
        if production and (memory < MIN_MEMORY or memory * time < MIN_WORK):
            self.fault("ARGON2", "is too weak: use at least m=47104,t=1,p=1 or m=19456,t=2,p=1")
        if not (lanes >= 1 and time >= 1 and 8 * lanes <= memory <= MAX_MEMORY):
            self.fault("ARGON2", f"is out of range: t and p from 1, m from 8 x p to {MAX_MEMORY} KiB")
        return Argon2Parameters(memory, time, lanes)

    def _rate(self, name: str, default: str) -> str:
        value = self.text(name, default)
        try:
            usable = parse(value).amount > 0
        except ValueError:
            usable = False
        if not usable:
            self.fault(name, "must be like 60 per hour")
            return default
        return value

    def _demo_mailbox(self, environment: str) -> Path | None:
        value = self.text("DEMO_MAILBOX", "")
        if value and environment != "demo":
            self.fault("DEMO_MAILBOX", "is for PORTAL_ENVIRONMENT=demo only; remove it")
        return Path(value) if value else None


def _origin(parts: SplitResult) -> str:
    """Return an origin as browsers send it: in lower case, without the scheme's default port."""
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    own = parts.port in (None, DEFAULT_PORTS[parts.scheme])
    return f"{parts.scheme}://{host}" + ("" if own else f":{parts.port}")
