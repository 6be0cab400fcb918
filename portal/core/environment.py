"""Read settings from environment variables, each also from a file, and collect the faults.

A fault names the variable and what it must be, never its value.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError

from portal.core import service_urls
from portal.core.addresses import AddressInvalid, normalise
from portal.core.i18n import matching_language, shipped_languages
from portal.core.one_line import is_plain
from portal.core.service_urls import MailServer

PREFIX = "PORTAL_"
PLAIN_RATE = re.compile(r"[1-9][0-9]{0,8} per (second|minute|hour|day)")
ENVIRONMENTS = ("production", "demo", "test")
# OWASP: at least 19 MiB with two passes or 46 MiB with one. In KiB; more than 4 GiB is a typing error.
MIN_MEMORY, MIN_WORK, MAX_MEMORY = 19_456, 38_912, 1_048_576
# A name, an IPv4 address or an IPv6 address in brackets, and a port where it is not the scheme's own.
HOST = r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?\Z"
MAX_PORT = 65_535
MOST_DAYS = 3650
# No user or password: it is shown to everyone.
HTTPS_PAGE = r"(?:https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:[/?#][!-~]*)?)?\Z"
YES, NO = ("1", "true", "yes"), ("0", "false", "no", "")
DEFAULT_PORTS = {"http": 80, "https": 443}
PICTURES = (".png", ".svg", ".webp", ".jpg", ".jpeg")
NO_REDIS = (
    "is not supported, remove it: this version has no Redis. Rate limits are in the database, which all web "
    "processes share"
)
WINDOWS_LINES = (
    "ends with a carriage return{}: the file that sets it has Windows line ends (CRLF); run on that file: "
    r"sed -i 's/\r$//' FILE"
)
WORKERS_ALONE = (
    "MAIL_URL", "IDENTITY_HTTP_CA_FILE", "IDENTITY_HTTP_SECRET", "IDENTITY_HTTP_URL", "IDENTITY_SQL_URL",
)  # fmt: skip
# Variables of former versions: they do nothing, and are no reason to refuse the start.
UNUSED = frozenset(["PORTAL_QUEUE_FILE", "PORTAL_QUEUE_FILE_FILE"])


class Environment:
    """The `PORTAL_…` variables of one environment, and the faults found in them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Take the variables. `name` is the environment's own: production, demo or test."""
        self.faults: list[str] = []
        given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
        self._variables = {name: value.removesuffix("\r") for name, value in given.items()}
        if ended := sorted(name for name, value in given.items() if value.endswith("\r")):
            others = f" (and {len(ended) - 1} more)" if len(ended) > 1 else ""
            self.faults.append(f"{ended[0]}: {WINDOWS_LINES.format(others)}")
        # Known to processes too that never ask for it; and what `make test` reads.
        self._known = {*WORKERS_ALONE, "TEST_INSTALL"}
        self.name = self.text("ENVIRONMENT", "production")
        self.production = self.name not in ("demo", "test")
        if self.name not in ENVIRONMENTS:
            self.fault("ENVIRONMENT", f"must be one of {', '.join(ENVIRONMENTS)}")

    def fault(self, name: str, what: str) -> None:
        """Add a fault: a variable without its prefix, and what it must be."""
        self.faults.append(f"{PREFIX}{name}: {what}")

    @contextmanager
    def faults_apart(self) -> Iterator[list[str]]:
        """Collect the faults of this block in a list of their own, which is complete after the block."""
        before, apart = self.faults, list[str]()
        self.faults = apart
        try:
            yield apart
        finally:
            self.faults = before

    def text(self, name: str, default: str) -> str:
        """Return a variable, or the content of the file that its `…_FILE` names."""
        self._known.add(name)
        value = self._variables.get(PREFIX + name)
        file = self._variables.get(f"{PREFIX}{name}_FILE")
        if file is not None:
            if value is not None:
                self.fault(name, f"is set twice, also as {PREFIX}{name}_FILE; remove one")
            try:
                value = Path(file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                self.fault(f"{name}_FILE", f"cannot read the file ({type(error).__name__})")
        return default if value is None else value

    def readable(self, name: str) -> bool:
        """Return whether this process was given a variable that it must not ask for, or may read its file."""
        file = self._variables.get(f"{PREFIX}{name}_FILE")
        return PREFIX + name in self._variables or bool(file and os.access(file, os.R_OK))

    def files_below(self, prefix: str) -> dict[str, Path]:
        """Return the files that hold variables which begin with a prefix, by the variables' full names."""
        return {
            full.removesuffix("_FILE"): Path(file)
            for full, file in self._variables.items()
            if full.startswith(f"{PREFIX}{prefix}") and full.endswith("_FILE")
        }

    def unused(self) -> tuple[str, ...]:
        """Return the variables that were given and do nothing in this version."""
        return tuple(sorted(UNUSED & self._variables.keys()))

    def refuse_unknown(self) -> None:
        """Add a fault for every variable that nobody asked for. Call it last."""
        for full in sorted(self._variables.keys() - UNUSED):
            name = full.removeprefix(PREFIX)
            if name.removesuffix("_FILE") == "REDIS_URL":
                self.fault(name, NO_REDIS)
            elif name not in self._known and name.removesuffix("_FILE") not in self._known:
                self.fault(name, "unknown setting; is it misspelled?")

    def needed(self, name: str, default: str) -> str:
        """Return one line of text, which production must give."""
        value = self.text(name, "" if self.production else default)
        if not value.strip():
            self.fault(name, "is required")
        if not is_plain(value):
            self.fault(name, "must be one line, without invisible characters")
        return value.strip()

    def line(self, name: str, longest: int) -> str:
        """Return one line of text of at most `longest` characters; there may be none."""
        value = self.text(name, "")
        if len(value) > longest or not is_plain(value):
            self.fault(name, f"must be one line of at most {longest} characters, none of them invisible")
        return value

    def matching(self, name: str, pattern: str, default: str, what: str) -> str:
        """Return text that matches a pattern; `what` describes it."""
        value = self.text(name, default)
        if not re.match(pattern, value):
            self.fault(name, f"must be {what}")
        return value

    def yes_or_no(self, name: str) -> bool:
        """Return a switch, which is off by default."""
        value = self.text(name, "0")
        if value not in (*YES, *NO):
            self.fault(name, "must be 1 or 0")
        return value in YES

    def count(self, name: str, default: int, most: int, *, least: int = 0) -> int:
        """Return a number from `least` to `most`."""
        value = self.text(name, str(default))
        if not re.match(r"[0-9]{1,3}\Z", value) or not least <= int(value) <= most:
            self.fault(name, f"must be a number from {least} to {most}")
            return default
        return int(value)

    def days(self, name: str, default: timedelta, *, least: int) -> timedelta:
        """Return a period, given as a number of days from `least` to ten years."""
        value = self.text(name, str(default.days))
        if not re.match(r"[0-9]{1,4}\Z", value) or not least <= int(value) <= MOST_DAYS:
            self.fault(name, f"must be a number of days from {least} to {MOST_DAYS}")
            return default
        return timedelta(days=int(value))

    def rate(self, name: str, default: str) -> str:
        """Return a limit in the words of the `limits` library, like `60 per hour`; a default may be none."""
        value = self.text(name, default)
        if value == default == "" or PLAIN_RATE.fullmatch(value):
            return value
        from limits import parse  # noqa: PLC0415 - slow to import, and each command reads the settings

        try:
            usable = parse(value).amount > 0
        except ValueError:
            usable = False
        if not usable:
            self.fault(name, "must be like 60 per hour")
            return default
        return value

    def listen(self, name: str, default: str) -> str:
        """Return `host:port`; a default may be none."""
        value = self.text(name, default)
        if value == default == "":
            return value
        value = self.matching(name, r"\S+:[0-9]{1,5}\Z", default, "host:port")
        port = value.rpartition(":")[2]
        if port.isdecimal() and not 0 < int(port) <= MAX_PORT:
            self.fault(name, f"must end with a port from 1 to {MAX_PORT}")
        return value

    def base_url(self, name: str, default: str) -> str:
        """Return the public site's origin in small letters, without a path; https in production."""
        value = self.origin(name, "" if self.production else default)
        if not value:
            self.fault(name, "is required: the URL under which people reach the portal")
        elif self.production and value.startswith("http:"):
            self.fault(name, "must start with https in production")
        return value

    def staff_url(self, name: str) -> str:
        """Return the console's origin, or nothing where there is no console; https, or loopback only."""
        value = self.origin(name, "")
        if value.startswith("http:") and urlsplit(value).hostname not in service_urls.LOOPBACK:
            self.fault(name, "must start with https, or be a localhost address")
        return value

    def origin(self, name: str, default: str) -> str:
        """Return an origin in small letters, without a path."""
        value = self.text(name, default).rstrip("/")
        try:
            parts = urlsplit(value)
            valid = (
                parts.scheme in DEFAULT_PORTS
                and bool(re.match(HOST, parts.netloc))
                and not (parts.path or parts.query or parts.fragment)
                and parts.port != 0
            )
        except ValueError:
            parts, valid = urlsplit(""), False
        if value and not valid:
            self.fault(name, "must be like https://incident.example.com, without a path")
        return _origin(parts) if valid else value

    def database_url(self, name: str, default: str) -> str:
        """Return the URL of an SQLite or PostgreSQL database; a weak password is a fault in production."""
        value = self.text(name, default)
        if not value:
            self.fault(
                name, "is required: the URL of a database, like postgresql://USER:<password>@HOST/NAME"
            )
            return value
        try:
            url = service_urls.database_url(value)
        except service_urls.AddressWrong as error:
            self.fault(name, str(error))
            return value
        if self.production and (weakness := service_urls.weakness_of_database(url)):
            self.fault(name, weakness)
        return value

    def mail_server(self, name: str, default: MailServer) -> MailServer:
        """Return the relay; missing TLS or a weak password is a fault in production."""
        value = self.text(name, "" if self.production else "smtp://localhost:25?tls=none")
        if not value:
            self.fault(name, f"is required; it {service_urls.MAIL_LIKE}")
            return default
        try:
            server = service_urls.mail_server(value)
        except service_urls.AddressWrong as error:
            self.fault(name, str(error))
            return default
        if self.production and (weakness := service_urls.weakness_of_mail(server)):
            self.fault(name, weakness)
        return server

    def address(self, name: str, default: str, *, needed: bool) -> str:
        """Return an email address with a local part in ASCII, or the default."""
        value = self.needed(name, default) if needed else self.text(name, default)
        if not value or value == default:
            return value
        try:
            address = normalise(value)
        except AddressInvalid:
            self.fault(name, "must be an email address")
            return value
        if not address.isascii():  # few relays take one, and none is asked whether it would
            self.fault(name, "must have ASCII characters only before its @")
        return address

    def addresses(self, name: str) -> tuple[str, ...]:
        """Return email addresses that are separated by commas; there may be none."""
        found = []
        for text in filter(None, (part.strip() for part in self.text(name, "").split(","))):
            try:
                found.append(normalise(text))
            except AddressInvalid:
                self.fault(name, "must be email addresses separated by commas")
                break
        return tuple(found)

    def picture(self, name: str) -> Path | None:
        """Return an image file that exists, or None."""
        value = self.text(name, "")
        if not value:
            return None
        path = Path(value)
        if not path.is_file() or path.suffix.lower() not in PICTURES:
            self.fault(name, "must be an existing PNG, SVG, WebP or JPEG file")
        return path

    def built_file(self, name: str) -> Path | None:
        """Return a file of `portal passwords build` that exists, or None."""
        value = self.text(name, "")
        if value and not Path(value).is_file():
            self.fault(name, "must be an existing file, written by: portal passwords build")
        return Path(value) if value else None

    def folder(self, name: str) -> Path | None:
        """Return a folder that exists, or None."""
        value = self.text(name, "")
        if value and not Path(value).is_dir():
            self.fault(name, "must be an existing folder")
        return Path(value) if value else None

    def languages(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Return language tags that have a catalogue; one at least."""
        tags = self.text(name, ",".join(default)).replace("_", "-").split(",")
        languages = tuple(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
        for tag in languages:
            try:
                Locale.parse(tag, sep="-")
            except (UnknownLocaleError, ValueError):
                self.fault(name, "must be language tags separated by commas, like en,es")
                break
            if matching_language(tag, shipped_languages()) is None:
                shipped = ", ".join(shipped_languages())
                self.fault(name, f"has a language without a catalogue; this version has {shipped}")
                break
        if not languages:
            self.fault(name, "must name at least one language")
        return languages or ("en",)

    def timezone(self, name: str, default: str) -> str:
        """Return the name of a time zone."""
        value = self.text(name, default)
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            self.fault(name, "must be an IANA time zone, like Europe/Madrid")
        return value

    def argon2(self, name: str, default: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return memory (KiB), passes and lanes of a hash; a weak cost is a fault in production."""
        text = self.text(name, "m={},t={},p={}".format(*default))
        match = re.match(r"m=(\d{1,8}),t=(\d{1,3}),p=(\d{1,2})\Z", text)
        if not match:
            self.fault(name, "must be like m=47104,t=1,p=1 (memory in KiB, passes, lanes)")
            return default
        memory, time, lanes = (int(group) for group in match.groups())
        if self.production and (memory < MIN_MEMORY or memory * time < MIN_WORK):
            self.fault(name, "is too weak: use at least m=47104,t=1,p=1 or m=19456,t=2,p=1")
        if not (lanes >= 1 and time >= 1 and 8 * lanes <= memory <= MAX_MEMORY):
            self.fault(name, f"is out of range: t and p from 1, m from 8 x p to {MAX_MEMORY} KiB")
        return memory, time, lanes

    def https_url(self, name: str) -> str:
        """Return the URL of a page of the company, over https and in ASCII; there may be none."""
        what = "a page over https, like https://www.example.com/forgot-password"
        return self.matching(name, HTTPS_PAGE, "", what)

    def one_of(self, name: str, default: str, known: Callable[[], Sequence[str]]) -> str:
        """Return one of the names that `known` finds; it is asked only for another than the default."""
        value = self.text(name, default)
        if value != default and value not in (names := known()):
            self.fault(name, f"must be one of {', '.join(names)}")
            return default
        return value

    def below(self, prefix: str) -> dict[str, str]:
        """Return the variables that begin with a prefix, as they were given; they are known from now on."""
        found = {
            full: value for full, value in self._variables.items() if full.startswith(f"{PREFIX}{prefix}")
        }
        self._known.update(full.removeprefix(PREFIX) for full in found)
        return found

    def demo_path(self, name: str) -> Path | None:
        """Return a path that only the demonstration may give, or None."""
        value = self.text(name, "")
        if value and self.name != "demo":
            self.fault(name, "is for PORTAL_ENVIRONMENT=demo only; remove it")
        return Path(value) if value else None


def _origin(parts: SplitResult) -> str:
    """Return an origin as browsers send it: in lower case, without the scheme's default port."""
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    own = parts.port in (None, DEFAULT_PORTS[parts.scheme])
    return f"{parts.scheme}://{host}" + ("" if own else f":{parts.port}")
