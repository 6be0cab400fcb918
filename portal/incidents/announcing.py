"""Sign the updates that are mailed to subscribers, and find those that still are to be mailed.

An update for subscribers carries a row MAC over its text, computed by an author's command that has the
worker's keys.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from hmac import compare_digest

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.crypto.vault import WorkerVault
from portal.incidents import service
from portal.incidents.models import PHASES, Incident, Update
from portal.incidents.service import Published, locked, wordings_of

log = logging.getLogger("portal.incidents")


@dataclass(frozen=True)
class Announcement:
    """An update to be mailed to subscribers, with its titles and texts (Markdown) in all languages.

    `incident_titles` holds the incident's titles by language; the one in the portal's default language
    has the empty string as its key. The mails of a `discreet` incident say only that there is news. So
    do those of an update that an earlier version signed: its MAC covers neither, and `bodies` is None.
    """

    update_id: bytes
    incident_id: bytes
    slug: str
    number: int
    phase: str
    occurred_at: datetime
    titles: dict[str, str]
    bodies: dict[str, str] | None
    original_language: str
    incident_titles: dict[str, str]
    public: bool
    discreet: bool
    occurred_on: date | None = None

    @property
    def path(self) -> str:
        """Return the permanent path of the update below the base URL."""
        return f"/incidents/{self.slug}/updates/{self.number}/"

    @property
    def phase_words(self) -> str:
        """Return the label of the phase as a message id."""
        return PHASES[self.phase]

    def title(self, language: str) -> tuple[str, str]:
        """Return (language, title) in the reader's language, or in the original one if not translated."""
        shown = language if language in self.titles else self.original_language
        return shown, self.titles[shown]

    def incident_title(self, language: str) -> str:
        """Return the incident's title in a language, or in the portal's default language."""
        return self.incident_titles.get(language, self.incident_titles[""])

    def row_mac(self, vault: WorkerVault) -> bytes:
        """Return the row MAC over all that decides what a mail says, and over the public state."""
        words = [sorted(self.titles.items()), self.original_language, sorted(self.incident_titles.items())]
        at = self.occurred_at.astimezone(UTC).isoformat(timespec="microseconds")
        ids = (self.update_id, self.incident_id, self.slug, self.number, self.phase, at)
        day = () if self.occurred_on is None else (self.occurred_on.isoformat(),)
        values = (*ids, int(self.public), json.dumps(words), *day)
        if self.bodies is None:
            return vault.row_mac("announcement", *values)
        # Two more values than in an earlier version: neither form passes as the other.
        bodies = json.dumps(sorted(self.bodies.items()))
        return vault.row_mac("announcement", *values, bodies, int(self.discreet))


def waiting(session: Session, vault: WorkerVault) -> list[Announcement]:
    """Return the public updates that are still to be mailed to subscribers, oldest first.

    The web process can write this table, and must not be able to mail its own text to people: an update
    without a valid row MAC is only logged.
    """
    rows = session.scalars(
        select(Update)
        .where(Update.notify, Update.announced_at.is_(None), Update.published_at.is_not(None))
        .where(Update.withdrawn_at.is_(None))
        .order_by(Update.published_at, Update.number)
    )
    found = []
    for row in rows:
        announcement = signed(session, vault, row)
        if announcement is not None:
            found.append(announcement)
        else:
            log.error(
                "incidents: update %s was altered or inserted without the worker's keys, nobody is mailed; "
                "check its text, then run portal incidents update SLUG FILE --edit ID",
                row.id.hex(),
            )
    return found


def sign(session: Session, vault: WorkerVault, row: Update) -> None:
    """Sign an update, so that the worker mails its current text."""
    row.row_mac = _announcement(session, row).row_mac(vault)
    session.flush()


def publish(
    session: Session,
    vault: WorkerVault | None,
    slug: str,
    now: datetime,
    chosen: service.Chosen | None = None,
) -> Published:
    """Publish an incident and its drafts, and sign again the updates that were signed for subscribers.

    Without a vault nothing is signed, so nobody is mailed. `chosen` is as in `service.publish`. Raises
    IncidentUnknown.
    """
    with _signed_again(session, vault, slug):
        return service.publish(session, slug, now, chosen)


def set_title(
    session: Session, vault: WorkerVault | None, slug: str, title: str, language: str | None, now: datetime
) -> None:
    """Set an incident's title in a language (None: the default one), and sign again the signed updates.

    The title is part of the mails about updates, so it is covered by their MACs. Raises IncidentUnknown,
    TitleInvalid.
    """
    with _signed_again(session, vault, slug):
        service.set_title(session, slug, title, language, now)


def set_discreet(
    session: Session, vault: WorkerVault | None, slug: str, now: datetime, *, discreet: bool
) -> None:
    """Store whether mails about an incident say only that there is a message, and sign the updates again.

    Raises IncidentUnknown.
    """
    with _signed_again(session, vault, slug):
        service.set_discreet(session, slug, now, discreet=discreet)


@contextmanager
def _signed_again(session: Session, vault: WorkerVault | None, slug: str) -> Iterator[None]:
    """Sign again, after a change of what their MACs cover, the updates that were signed before it."""
    rows = unannounced(session, locked(session, slug).id)
    before = [] if vault is None else [(row, signed(session, vault, row)) for row in rows]
    yield
    for row, found in before:
        if vault is not None and found is not None:
            now = _announcement(session, row)
            # One that an earlier version signed stays without its text, which its MAC did not cover.
            form = now if found.bodies is not None else replace(now, bodies=None)
            row.row_mac = form.row_mac(vault)
    session.flush()


def unannounced(session: Session, incident_id: bytes) -> list[Update]:
    """Return the updates of an incident that are still to be mailed, signed or not."""
    waits = (Update.incident_id == incident_id) & Update.notify & Update.announced_at.is_(None)
    standing = waits & Update.withdrawn_at.is_(None)
    return list(session.scalars(select(Update).where(standing).order_by(Update.number)))


def signed(session: Session, vault: WorkerVault, row: Update) -> Announcement | None:
    """Return an update as it was signed, or None if its row MAC does not match what it says now."""
    found = _announcement(session, row)
    for form in (found, replace(found, bodies=None, discreet=True)):
        if row.row_mac is not None and compare_digest(row.row_mac, form.row_mac(vault)):
            return form
    return None


def mark_announced(session: Session, update_id: bytes, now: datetime) -> bool:
    """Mark that an update's mails are queued; return False if another worker was first."""
    marked = session.execute(
        update(Update)
        .where(Update.id == update_id, Update.announced_at.is_(None))
        .values(announced_at=now)
        .returning(Update.id)
    )
    return marked.scalar_one_or_none() is not None


def is_withdrawn(session: Session, update_id: bytes) -> bool:
    """Return whether an update was withdrawn: no mail about it leaves from then on."""
    withdrawn = (Update.id == update_id) & Update.withdrawn_at.is_not(None)
    return session.scalar(select(Update.id).where(withdrawn)) is not None


def _announcement(session: Session, row: Update) -> Announcement:
    wordings = wordings_of(session, row)
    incident = session.get_one(Incident, row.incident_id)
    return Announcement(
        update_id=row.id,
        incident_id=row.incident_id,
        slug=incident.slug,
        number=row.number,
        phase=row.phase,
        occurred_at=row.occurred_at,
        occurred_on=row.occurred_on,
        titles={wording.language: wording.title for wording in wordings},
        bodies={wording.language: wording.body for wording in wordings},
        original_language=wordings[0].language if wordings else "",
        incident_titles={"": incident.title, **incident.titles},
        public=row.published_at is not None,
        discreet=incident.discreet,
    )
