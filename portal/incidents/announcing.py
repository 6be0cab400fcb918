"""Updates that subscribers shall be told of by mail, each vouched for by an author who has the worker's keys."""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import compare_digest

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.incidents.models import PHASES, Incident, Update
from portal.incidents.service import Published, locked, wordings_of
from portal.incidents.service import publish as make_public
from portal.kit.vault import WorkerVault

log = logging.getLogger("portal.incidents")


@dataclass(frozen=True)
class Announcement:
    """An update that its author wants mailed, in every language that it is written in.

    `incident_titles` has the incident's title in the portal's first language under the empty text, and the
    others.
    """

    update_id: bytes
    incident_id: bytes
    slug: str
    number: int
    phase: str
    occurred_at: datetime
    titles: dict[str, str]
    original_language: str
    incident_titles: dict[str, str]
    public: bool

    @property
    def path(self) -> str:
        """The update's permanent address, below the base URL."""
        return f"/incidents/{self.slug}/updates/{self.number}/"

    @property
    def phase_words(self) -> str:
        """The phase in words, in English: the key of its translation."""
        return PHASES[self.phase]

    def title(self, language: str) -> tuple[str, str]:
        """Return (language, title): the reader's language where it is written in it, else the original one."""
        shown = language if language in self.titles else self.original_language
        return shown, self.titles[shown]

    def incident_title(self, language: str) -> str:
        """Return the incident's title in a language, else in the portal's first one."""
        return self.incident_titles.get(language, self.incident_titles[""])

    def voucher(self, vault: WorkerVault) -> bytes:
        """Return what vouches for every word of it that stands in a mail, and for its being public."""
        words = [sorted(self.titles.items()), self.original_language, sorted(self.incident_titles.items())]
        at = self.occurred_at.astimezone(UTC).isoformat(timespec="microseconds")
        ids = (self.update_id, self.incident_id, self.slug, self.number, self.phase, at)
        return vault.vouch("announcement", *ids, int(self.public), json.dumps(words))


def waiting(session: Session, vault: WorkerVault) -> list[Announcement]:
    """Return the public updates that subscribers shall be told of and were not yet, the oldest first.

    The web process can write this table, and must not be able to mail its own words to people: an update that
    nobody with the worker's keys wanted mailed is told in the log alone.
    """
    rows = session.scalars(
        select(Update)
        .where(Update.notify, Update.announced_at.is_(None), Update.published_at.is_not(None))
        .order_by(Update.published_at, Update.number)
    )
    found = []
    for row in rows:
        if vouched(session, vault, row):
            found.append(_announcement(session, row))
        else:
            log.error("an update that subscribers should be told of was altered or put in: nobody is mailed")
    return found


def vouch(session: Session, vault: WorkerVault, row: Update) -> None:
    """Let the worker mail an update as it is written now."""
    row.voucher = _announcement(session, row).voucher(vault)
    session.flush()


def publish(session: Session, vault: WorkerVault | None, slug: str, now: datetime) -> Published:
    """Make an incident and all that waits of it public, and let the worker mail what somebody wanted mailed.

    Without a vault nobody is mailed. Raises IncidentUnknown.
    """
    rows = unannounced(session, locked(session, slug).id)
    kept = [(vault, row) for row in rows if vault and vouched(session, vault, row)]
    done = make_public(session, slug, now)
    for voucher, row in kept:
        vouch(session, voucher, row)
    return done


def unannounced(session: Session, incident_id: bytes) -> list[Update]:
    """Return the updates of an incident that wait to be mailed, vouched for or not."""
    waits = (Update.incident_id == incident_id) & Update.notify & Update.announced_at.is_(None)
    return list(session.scalars(select(Update).where(waits).order_by(Update.number)))


def vouched(session: Session, vault: WorkerVault, row: Update) -> bool:
    """Tell whether an update is written as somebody with the worker's keys wanted it mailed."""
    return row.voucher is not None and compare_digest(row.voucher, _announcement(session, row).voucher(vault))


def mark_announced(session: Session, update_id: bytes, now: datetime) -> bool:
    """Note that an update's mails are queued. False where another worker was first."""
    marked = session.execute(
        update(Update)
        .where(Update.id == update_id, Update.announced_at.is_(None))
        .values(announced_at=now)
        .returning(Update.id)
    )
    return marked.scalar_one_or_none() is not None


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
        titles={wording.language: wording.title for wording in wordings},
        original_language=wordings[0].language if wordings else "",
        incident_titles={"": incident.title, **incident.titles},
        public=row.published_at is not None,
    )
