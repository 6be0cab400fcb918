"""Read the settings from the environment, once, into frozen groups; report all faults together.

Each group reads its own variables; `environment.py` says how a value is read.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from portal.core.environment import Environment
from portal.core.service_urls import LOOPBACK, MailServer


class SettingsInvalid(Exception):
    """The portal cannot run in this environment; `faults` name variables, never their values.

    `settings` is what was read in spite of the faults, for further checks.
    """

    def __init__(self, faults: list[str], settings: "Settings") -> None:
        """Store every fault that was found, and the settings."""
        self.faults = faults
        self.settings = settings
        super().__init__("\n".join(faults))


class SendsMail(Enum):
    """Whether a process hands mail to the relay; one that does not never reads the relay's password."""

    YES = "yes"
    NO = "no"
    # The key files decide: the web server's user can read its own alone.
    IF_KEYS_SAY = "if keys say"


@dataclass(frozen=True)
class Argon2Parameters:
    """The cost of one Argon2id hash (RFC 9106): memory in KiB, passes, lanes."""

    memory: int = 47_104
    time: int = 1
    lanes: int = 1


@dataclass(frozen=True)
class Site:
    """What people see: names, contacts, colour, languages. The first language is the default."""

    organisation: str = "Our company"
    contact_email: str = ""
    contact_phone: str = ""
    contact_hours: str = ""
    exit_url: str = ""
    legal_dir: Path | None = None
    brand_colour: str = "#1d5b8f"
    logo_file: Path | None = None
    logo_dark_file: Path | None = None
    languages: tuple[str, ...] = ("en", "es")
    timezone: str = "UTC"

    @classmethod
    def read(cls, environment: Environment) -> "Site":
        """Read this group; faults are collected."""
        colour = environment.matching(
            "BRAND_COLOUR", r"#[0-9a-fA-F]{6}\Z", cls.brand_colour, "a colour like #1d5b8f"
        )
        logo, logo_dark = environment.picture("LOGO_FILE"), environment.picture("LOGO_DARK_FILE")
        if logo_dark and not logo:
            environment.fault("LOGO_DARK_FILE", "needs PORTAL_LOGO_FILE too, the logo for light screens")
        return cls(
            organisation=environment.needed("ORGANISATION", cls.organisation),
            contact_email=environment.address("CONTACT_EMAIL", "", needed=environment.production),
            contact_phone=environment.text("CONTACT_PHONE", ""),
            contact_hours=environment.matching("CONTACT_HOURS", r"[^\x00-\x1f]{0,120}\Z", "", "a short line"),
            exit_url=environment.matching(
                "EXIT_URL",
                r"(?:https://[\w.-]+(?::\d+)?(?:[/?#]\S*)?)?\Z",
                "",
                "like https://www.example.com/",
            ),
            legal_dir=environment.folder("LEGAL_DIR"),
            brand_colour=colour,
            logo_file=logo,
            logo_dark_file=logo_dark,
            languages=environment.languages("LANGUAGES", cls.languages),
            timezone=environment.timezone("TIMEZONE", cls.timezone),
        )


@dataclass(frozen=True)
class KeyFiles:
    """Where the keys are. `embedded`: one user holds both files, and `serve` may open the worker's."""

    web_file: Path = Path("var/keys/web.json")
    worker_file: Path = Path("var/keys/worker.json")
    embedded: bool = False

    @classmethod
    def read(cls, environment: Environment) -> "KeyFiles":
        """Read this group; faults are collected."""
        return cls(
            web_file=Path(environment.text("WEB_KEYS_FILE", str(cls.web_file))),
            worker_file=Path(environment.text("WORKER_KEYS_FILE", str(cls.worker_file))),
            embedded=environment.yes_or_no("EMBEDDED"),
        )

    @property
    def web_alone(self) -> bool:
        """Whether this user can read the web server's key file and not the worker's."""
        return os.access(self.web_file, os.R_OK) and not os.access(self.worker_file, os.R_OK)


@dataclass(frozen=True)
class Mail:
    """The relay and the sender; `fault` says what is wrong with the relay where that may not matter.

    `dkim_selector` is only looked at: it is the relay that signs.
    `test_recipients` are those whom a notice may be sent to as a test.
    """

    server: MailServer = field(default=MailServer("localhost", 25, tls="none"), repr=False)
    sender: str = "portal@localhost"
    dkim_selector: str = ""
    connections: int = 4
    rate: str = ""
    test_recipients: tuple[str, ...] = ()
    fault: str | None = None

    @classmethod
    def read(cls, environment: Environment, sends_mail: SendsMail, keys: KeyFiles) -> "Mail":
        """Read this group; faults are collected, but where the key files may be what is wrong."""
        sender = environment.address("MAIL_SENDER", cls.sender, needed=True)
        connections = environment.count("MAIL_CONNECTIONS", cls.connections, 50, least=1)
        rate = environment.rate("MAIL_RATE", cls.rate)
        contact = environment.text("CONTACT_EMAIL", "")
        letters = r"[A-Za-z0-9._-]{0,63}\Z"
        selector = environment.matching("DKIM_SELECTOR", letters, "", "a selector, like relay1")
        tested = environment.addresses("TEST_RECIPIENTS") or ((contact,) if contact else ())
        read = cls(
            sender=sender,
            dkim_selector=selector,
            connections=connections,
            rate=rate,
            test_recipients=tested,
        )
        if sends_mail is SendsMail.YES:
            return replace(read, server=environment.mail_server("MAIL_URL", cls.server))
        if sends_mail is SendsMail.NO or keys.web_alone:
            return read
        with environment.faults_apart() as faults:
            server = environment.mail_server("MAIL_URL", cls.server)
        return replace(read, server=server, fault="; ".join(faults) or None)


@dataclass(frozen=True)
class Limits:
    """Limits in the words of the `limits` library; an IPv6 address counts by its /64.

    A mobile carrier's customers share few IPv4 addresses, so the forms' limits per network are wide.
    """

    intake_ip: str = "600 per hour"
    check_ip: str = intake_ip
    reset_ip: str = intake_ip
    subscribe_ip: str = intake_ip
    is_it_real_ip: str = intake_ip
    intake_global: str = ""  # none: as fast as the worker's cores allow
    sign_in_ip: str = "100 per hour"

    @classmethod
    def read(cls, environment: Environment) -> "Limits":
        """Read this group; faults are collected."""
        intake_ip = environment.rate("RATE_INTAKE_IP", cls.intake_ip)
        return cls(
            intake_ip=intake_ip,
            check_ip=environment.rate("RATE_CHECK_IP", intake_ip),
            reset_ip=environment.rate("RATE_RESET_IP", intake_ip),
            subscribe_ip=environment.rate("RATE_SUBSCRIBE_IP", intake_ip),
            is_it_real_ip=environment.rate("RATE_IS_IT_REAL_IP", intake_ip),
            intake_global=environment.rate("RATE_INTAKE_GLOBAL", cls.intake_global),
            sign_in_ip=environment.rate("RATE_SIGN_IN_IP", cls.sign_in_ip),
        )

    def of_form(self, purpose: str) -> str:
        """Return the limit per network of the form with this purpose."""
        own = {
            "check": self.check_ip,
            "reset": self.reset_ip,
            "subscribe": self.subscribe_ip,
            "is-it-real": self.is_it_real_ip,
        }
        return own.get(purpose, self.intake_ip)


@dataclass(frozen=True)
class Identity:
    """The company's user store, and the cost of new password hashes."""

    store: str = "builtin"
    argon2: Argon2Parameters = Argon2Parameters()

    @classmethod
    def read(cls, environment: Environment) -> "Identity":
        """Read this group; faults are collected."""
        return cls(
            store=environment.matching("IDENTITY_STORE", r"builtin\Z", cls.store, "builtin"),
            argon2=Argon2Parameters(*environment.argon2("ARGON2", (47_104, 1, 1))),
        )


@dataclass(frozen=True)
class Settings:
    """The operator's settings. Relative paths start at the working directory."""

    environment: str = "production"
    base_url: str = "http://localhost:8000"
    database_url: str = field(default="sqlite:///var/portal.db", repr=False)
    listen: str = "127.0.0.1:8000"
    metrics_listen: str = ""  # none
    trusted_proxies: int = 0
    demo_mailbox: Path | None = None
    unused: tuple[str, ...] = ()  # variables that were given and do nothing in this version
    site: Site = Site()
    keys: KeyFiles = KeyFiles()
    mail: Mail = Mail()
    limits: Limits = Limits()
    identity: Identity = Identity()

    @cached_property
    def production(self) -> bool:
        """Whether this is a production environment, neither demo nor test."""
        return self.environment == "production"

    @cached_property
    def default_language(self) -> str:
        """The language for people whose own is unknown."""
        return self.site.languages[0]

    @cached_property
    def host(self) -> str:
        """The host name of the base URL, with the port unless it is the scheme's default."""
        return urlsplit(self.base_url).netloc

    @cached_property
    def https(self) -> bool:
        """Whether browsers reach the portal over TLS."""
        return self.base_url.startswith("https:")

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, sends_mail: SendsMail = SendsMail.YES) -> "Settings":
        """Return the settings from `PORTAL_…` variables, each of which may also be given as `PORTAL_…_FILE`.

        Raises SettingsInvalid with all faults at once.
        """
        environment = Environment(environ)
        keys = KeyFiles.read(environment)
        settings = cls(
            environment=environment.name,
            base_url=environment.base_url("BASE_URL", cls.base_url),
            database_url=environment.database_url("DATABASE_URL", cls.database_url),
            listen=environment.listen("LISTEN", cls.listen),
            metrics_listen=environment.listen("METRICS_LISTEN", cls.metrics_listen),
            trusted_proxies=environment.count("TRUSTED_PROXIES", 0, 10),
            demo_mailbox=environment.demo_path("DEMO_MAILBOX"),
            unused=environment.unused(),
            site=Site.read(environment),
            keys=keys,
            mail=Mail.read(environment, sends_mail, keys),
            limits=Limits.read(environment),
            identity=Identity.read(environment),
        )
        environment.refuse_unknown()
        if settings.environment == "demo" and (urlsplit(settings.base_url).hostname or "") not in LOOPBACK:
            environment.fault(
                "BASE_URL", "must be a localhost address: the demonstration runs on this machine only"
            )
        for name, listen in (("LISTEN", settings.listen), ("METRICS_LISTEN", settings.metrics_listen)):
            here = not listen or listen.rpartition(":")[0].strip("[]") in LOOPBACK
            if not (environment.production or here):
                environment.fault(
                    name, "must be a loopback address such as 127.0.0.1 unless PORTAL_ENVIRONMENT=production"
                )
        if environment.faults:
            raise SettingsInvalid(environment.faults, settings)
        return settings
