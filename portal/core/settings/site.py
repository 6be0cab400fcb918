"""What people see: what the environment gives, and what admins saved over it in the console."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from portal.core.environment import PREFIX, Environment

LONGEST = 300  # characters of a saved value
LEGAL_PAGES = ("privacy", "imprint", "accessibility")


class SettingInvalid(ValueError):
    """A value that its setting cannot have."""


@dataclass(frozen=True)
class Picture:
    """A logo: its bytes, and their media type."""

    content: bytes = field(repr=False)
    mimetype: str

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the bytes, in hex."""
        return sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Site:
    """What people see: names, contacts, colour, languages. The first language is the default.

    What admins alone can save: `logo` and `logo_dark` in place of the files, and `legal`, Markdown by page
    and language (`privacy.en`). `version` changes with every change that they save.
    """

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
    logo: Picture | None = None
    logo_dark: Picture | None = None
    legal: Mapping[str, str] = field(default_factory=dict, hash=False)
    version: tuple[int, int] = (0, 0)

    @classmethod
    def read(cls, environment: Environment) -> "Site":
        """Read this group; faults are collected."""
        logo, logo_dark = environment.picture("LOGO_FILE"), environment.picture("LOGO_DARK_FILE")
        if logo_dark and not logo:
            environment.fault("LOGO_DARK_FILE", "needs PORTAL_LOGO_FILE too, the logo for light screens")
        return cls(
            **{name: rule(environment) for name, rule in RULES.items()},
            legal_dir=environment.folder("LEGAL_DIR"),
            logo_file=logo,
            logo_dark_file=logo_dark,
        )

    @property
    def light_logo(self) -> Picture | Path | None:
        """The logo for light screens, or None."""
        return self.logo or self.logo_file

    @property
    def dark_logo(self) -> Picture | Path | None:
        """The logo for dark screens, or None; there is none without one for light screens."""
        return (self.logo_dark or self.logo_dark_file) if self.light_logo else None


@dataclass
class SavedSite:
    """Holds what people see, with what admins saved, while this process runs: replaced as a whole."""

    site: Site | None = None


# How each setting is read, and what it may be: the same for the environment and for what admins save.
RULES: Mapping[str, Callable[[Environment], Any]] = {
    "organisation": lambda environment: environment.needed("ORGANISATION", Site.organisation),
    "contact_email": lambda environment: environment.address(
        "CONTACT_EMAIL", "", needed=environment.production
    ),
    "contact_phone": lambda environment: environment.line("CONTACT_PHONE", 60),
    "contact_hours": lambda environment: environment.line("CONTACT_HOURS", 120),
    "exit_url": lambda environment: environment.matching(
        "EXIT_URL",
        r"(?:https://[\w.-]+(?::\d+)?(?:[/?#]\S*)?)?\Z",
        "",
        "like https://www.example.com/",
    ),
    "brand_colour": lambda environment: environment.matching(
        "BRAND_COLOUR", r"#[0-9a-fA-F]{6}\Z", Site.brand_colour, "a colour like #1d5b8f"
    ),
    "languages": lambda environment: environment.languages("LANGUAGES", Site.languages),
    "timezone": lambda environment: environment.timezone("TIMEZONE", Site.timezone),
}


def checked(name: str, text: str, *, production: bool) -> Any:
    """Return the value of a setting from its text, by the environment's rules. Raises SettingInvalid."""
    environment = Environment(
        {
            f"{PREFIX}ENVIRONMENT": "production" if production else "test",
            f"{PREFIX}{name.upper()}": text,
        }
    )
    value = RULES[name](environment)
    if environment.faults or len(text) > LONGEST:
        raise SettingInvalid(name)
    return value


def written(value: Any) -> str:
    """Return a value as the text that `checked` reads."""
    return ",".join(value) if isinstance(value, tuple) else str(value)
