"""Read the settings from the environment, once, into frozen groups; report all faults together.

Each group has a file and reads its own variables; `environment.py` says how a value is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from portal.core.environment import Environment
from portal.core.service_urls import LOOPBACK
from portal.core.settings.accounts import Accounts
from portal.core.settings.console import Console
from portal.core.settings.identity import Argon2Parameters, Identity
from portal.core.settings.keys import KeyFiles, SendsMail
from portal.core.settings.limits import Limits
from portal.core.settings.mail import Mail
from portal.core.settings.passwords import PasswordLists
from portal.core.settings.retention import Retention
from portal.core.settings.site import SavedSite, Site

__all__ = [
    "Accounts",
    "Argon2Parameters",
    "Console",
    "Identity",
    "KeyFiles",
    "Limits",
    "Mail",
    "PasswordLists",
    "Retention",
    "SavedSite",
    "SendsMail",
    "Settings",
    "SettingsInvalid",
    "Site",
]


class SettingsInvalid(Exception):
    """The portal cannot run in this environment; `faults` name variables, never their values.

    `settings` is what was read in spite of the faults, for further checks.
    """

    def __init__(self, faults: list[str], settings: "Settings") -> None:
        """Store every fault that was found, and the settings."""
        self.faults = faults
        self.settings = settings
        super().__init__("\n".join(faults))


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
    given: Site = field(default_factory=Site)  # see `site`
    saved: SavedSite = field(default_factory=SavedSite, repr=False, compare=False)
    keys: KeyFiles = field(default_factory=KeyFiles)
    mail: Mail = field(default_factory=Mail)
    limits: Limits = field(default_factory=Limits)
    passwords: PasswordLists = field(default_factory=PasswordLists)
    identity: Identity = field(default_factory=Identity)
    accounts: Accounts = field(default_factory=Accounts)
    retention: Retention = field(default_factory=Retention)
    console: Console = field(default_factory=Console)

    @cached_property
    def production(self) -> bool:
        """Whether this is a production environment, neither demo nor test."""
        return self.environment == "production"

    @property
    def site(self) -> Site:
        """What people see now: what admins saved, over what the environment gave; read it each time."""
        return self.saved.site or self.given

    @property
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
            given=Site.read(environment),
            keys=keys,
            mail=Mail.read(environment, sends_mail, keys),
            limits=Limits.read(environment),
            passwords=PasswordLists.read(environment),
            identity=Identity.read(environment, sends_mail, keys),
            accounts=Accounts.read(environment),
            retention=Retention.read(environment),
            console=Console.read(environment),
        )
        environment.refuse_unknown()
        if settings.environment == "demo" and (urlsplit(settings.base_url).hostname or "") not in LOOPBACK:
            environment.fault(
                "BASE_URL", "must be a localhost address: the demonstration runs on this machine only"
            )
        for name, host in settings.identity.link.hosts.items():
            if host and host == settings.host:
                environment.fault(name, "must be your own page, not one of the portal")
        if settings.console.url and settings.console.url == settings.base_url:
            environment.fault("CONSOLE_URL", "must be an address of its own, not the public site's")
        for name, listen in (
            ("LISTEN", settings.listen),
            ("METRICS_LISTEN", settings.metrics_listen),
            ("CONSOLE_LISTEN", settings.console.listen),
        ):
            here = not listen or listen.rpartition(":")[0].strip("[]") in LOOPBACK
            if not (environment.production or here):
                environment.fault(
                    name, "must be a loopback address such as 127.0.0.1 unless PORTAL_ENVIRONMENT=production"
                )
        if environment.faults:
            raise SettingsInvalid(environment.faults, settings)
        return settings
