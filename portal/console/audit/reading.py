"""Read the audit log for a page: filtered, the newest first, from below a number on."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from portal.audit.models import AuditEntry
from portal.audit.staff import OPERATOR

PAGE = 50
# So many entries are looked at for one page, however rare those are that fit.
READ = 50_000
MOST_OF_A_DAY = 300
OPERATORS, NOBODY = "operators", "nobody"
# What the console does only with a second person; a command does it alone.
NEEDS_TWO = {
    "campaigns.failed",
    "campaigns.notify",
    "campaigns.start",
    "exposure.activate",
    "exposure.purge",
    "incidents.discreet",
    "incidents.edit-update",
    "incidents.happened",
    "incidents.publish",
    "incidents.title",
    "incidents.update",
    "reset.require",
    "staff.invite",
    "staff.invite-passkey",
    "staff.recover",
    "staff.roles",
}


@dataclass(frozen=True)
class Wanted:
    """Which entries: from and to a day (UTC), of somebody, of a group of actions, below a number.

    `who` is a member's id in hex, OPERATORS, NOBODY (the portal itself), or empty.
    """

    since: date | None = None
    until: date | None = None
    who: str = ""
    group: str = ""
    before: int | None = None


@dataclass(frozen=True)
class Entry:
    """One entry, its details parsed; what somebody else wrote there is no reason to fail."""

    number: int
    at: datetime
    action: str
    subject: str
    details: dict[str, Any]

    @property
    def by(self) -> str:
        """Return who did it: `staff` and an id, `operator` and a system user, or nothing."""
        return str(self.details.get("by", ""))


@dataclass(frozen=True)
class Page:
    """A page of entries, and below which number the next one begins, or None."""

    entries: list[Entry]
    following: int | None


def page(session: Session, wanted: Wanted) -> Page:
    """Return the entries that fit; nothing is verified."""
    top = wanted.before or (session.scalar(select(func.max(AuditEntry.number))) or 0) + 1
    entries = select(AuditEntry).where(AuditEntry.number < top, AuditEntry.number >= top - READ)
    if wanted.since is not None:
        entries = entries.where(AuditEntry.at >= _start(wanted.since))
    if wanted.until is not None:
        entries = entries.where(AuditEntry.at < _start(wanted.until + timedelta(days=1)))
    if wanted.group:
        entries = entries.where(AuditEntry.action.startswith(f"{wanted.group}.", autoescape=True))
    if wanted.who == OPERATORS:
        entries = entries.where(AuditEntry.details.contains(f'"by":"{OPERATOR}', autoescape=True))
    elif wanted.who == NOBODY:
        entries = entries.where(~AuditEntry.details.contains('"by":', autoescape=True))
    elif wanted.who:
        named = AuditEntry.details.contains(f"staff {wanted.who}", autoescape=True)
        entries = entries.where(named | (AuditEntry.subject == wanted.who))
    found = list(session.scalars(entries.order_by(AuditEntry.number.desc()).limit(PAGE + 1)))
    shown = [
        Entry(one.number, one.at, one.action, one.subject, _details(one.details)) for one in found[:PAGE]
    ]
    if len(found) > PAGE:
        return Page(shown, shown[-1].number)
    return Page(shown, top - READ if top > READ + 1 else None)


def since(session: Session, prefixes: tuple[str, ...], begin: datetime, end: datetime) -> list[Entry]:
    """Return the entries of some groups of actions from `begin` and before `end`, the newest first.

    As many as a day's page shows; nothing is verified.
    """
    top = session.scalar(select(func.max(AuditEntry.number))) or 0
    entries = (
        select(AuditEntry)
        .where(AuditEntry.number > top - READ, AuditEntry.at >= begin, AuditEntry.at < end)
        .where(or_(*(AuditEntry.action.startswith(f"{one}.", autoescape=True) for one in prefixes)))
        .order_by(AuditEntry.number.desc())
        .limit(MOST_OF_A_DAY)
    )
    return [
        Entry(one.number, one.at, one.action, one.subject, _details(one.details))
        for one in session.scalars(entries)
    ]


def _details(text: str) -> dict[str, Any]:
    try:
        details = json.loads(text)
    except ValueError:
        return {"?": text}
    return details if isinstance(details, dict) else {"?": text}


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
