"""What the checker is told about the site that a text will be on."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

# The public pages that an author may link to, without those of an incident; a test compares the routes.
PAGES = frozenset(
    {
        "/",
        "/account/",
        "/accessibility/",
        "/check/",
        "/feed.atom",
        "/feed.json",
        "/imprint/",
        "/incidents/",
        "/is-it-real/",
        "/privacy/",
        "/protect-yourself/",
        "/reset/",
        "/sign-in/",
        "/subscribe/",
        "/.well-known/change-password",
        "/.well-known/security.txt",
    }
)


@dataclass(frozen=True)
class Numbers:
    """The versions of the statement and the updates of an incident, those that are about to go out too."""

    versions: Collection[int] = ()
    updates: Collection[int] = ()


@dataclass(frozen=True)
class Site:
    """What is known of the site. `languages` are those it offers, the default first.

    `base_url` is empty where it is not known. `incidents` are all incidents by slug, None where they are not
    known: then links to them are not checked. `contact` says whether the site names an email address or a
    phone number on every page, None where that is not known. `company_page` is where new passwords are chosen
    if that is not on this site, and empty where it is.
    """

    languages: tuple[str, ...]
    base_url: str = ""
    incidents: Mapping[str, Numbers] | None = None
    contact: bool | None = None
    company_page: str = ""
    pages: frozenset[str] = PAGES
