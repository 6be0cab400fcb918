"""What people see."""

from dataclasses import dataclass
from pathlib import Path

from portal.core.environment import Environment


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
