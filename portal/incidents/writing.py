"""Store statements with their versions and updates with their wordings, and mark updates for subscribers.

An update that subscribers shall be told of carries a row MAC, made by an author who has the worker's keys.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import compare_digest

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.crypto.vault import WorkerVault
from portal.incidents.models import PHASES, PUBLISHED, Incident, Section, Statement, Update, Wording
from portal.incidents.service import Published, locked, show_anew, wordings_of
from portal.incidents.service import publish as make_public

MOST_UPDATES = 2**31 - 1  # what the databases' integers hold
Details = dict[str, str | int | bool | None]


class NoteMissing(ValueError):
    """A correction says in a note what it corrects."""


class UpdateUnknown(LookupError):
    """The incident has no update of this number."""


@dataclass(frozen=True)
class StatementText:
    """One version of the statement in one language."""

    language: str
    title: str
    signed_by: str
    role: str
    note: str | None
    apology: str
    sections: Sequence[Section]


@dataclass(frozen=True)
class UpdateText:
    """What an update says; None keeps what it said before."""

    language: str
    phase: str | None
    title: str | None
    body: str
    occurred_at: datetime | None
    notify: bool | None


@dataclass(frozen=True)
class Edited:
    """What an edit did: `translated` where the update got a new language, `told` where subscribers know it already."""

    update: Update
    translated: bool
    told: bool


def add_statement(session: Session, slug: str, text: StatementText, now: datetime) -> Statement:
    """Store a draft: it takes the place of a waiting draft in its language; else it joins the newest version that lacks
    its language, as its translation; else it is a new version. Raises IncidentUnknown, NoteMissing.
    """
    incident = locked(session, slug)
    known = list(session.scalars(select(Statement).where(Statement.incident_id == incident.id)))
    newest = max((one.number for one in known), default=0)
    of_newest = {one.language: one for one in known if one.number == newest}
    waiting = next((one for one in known if one.language == text.language and one.published_at is None), None)
    if waiting is not None:
        number = waiting.number
    else:
        number = newest if of_newest and text.language not in of_newest else newest + 1
    if number > 1 and not text.note:
        raise NoteMissing(f"version {number} corrects an earlier one: its note says what and why")
    statement = waiting or Statement(incident_id=incident.id, number=number, language=text.language)
    statement.title, statement.signed_by, statement.role = text.title, text.signed_by, text.role
    statement.note, statement.apology, statement.written_at = text.note, text.apology, now
    statement.sections_json = json.dumps([list(section) for section in text.sections], ensure_ascii=False)
    session.add(statement)
    session.flush()
    details: Details = {"version": number, "language": text.language}
    audit.record(session, "incidents.statement", slug, details, now)
    return statement


def add_update(session: Session, slug: str, text: UpdateText, now: datetime) -> Update:
    """Add an entry to the timeline: public at once where the incident is. `text` names phase and title."""
    incident = locked(session, slug)
    if text.phase is None or text.title is None:
        message = "a new update needs a phase and a title"
        raise ValueError(message)
    last = session.scalar(select(func.max(Update.number)).where(Update.incident_id == incident.id)) or 0
    public = incident.state == PUBLISHED
    row = Update(
        incident_id=incident.id,
        number=last + 1,
        phase=text.phase,
        occurred_at=text.occurred_at or now,
        written_at=now,
        published_at=now if public else None,
        notify=bool(text.notify),
    )
    session.add(row)
    session.flush()
    session.add(_wording(row, text.language, 1, text.title, text.body, now))
    _recorded(session, incident, row, "incidents.update", text.language, now)
    return row


def repeated(session: Session, slug: str, text: UpdateText) -> int | None:
    """Return the number of the newest update where it says the same already: a command that was sent twice."""
    incident = locked(session, slug)
    newest = select(Update).where(Update.incident_id == incident.id).order_by(Update.number.desc()).limit(1)
    row = session.scalar(newest)
    if row is None or row.phase != text.phase:
        return None
    words = {(one.language, one.title, one.body) for one in wordings_of(session, row)}
    return row.number if (text.language, text.title, text.body) in words else None


def edit_update(session: Session, slug: str, number: int, text: UpdateText, now: datetime) -> Edited:
    """Give an update new words in a language, or words in a new language; what it said before is kept.

    Raises IncidentUnknown, UpdateUnknown.
    """
    incident = locked(session, slug)
    row = update_of(session, incident, number)
    wordings = wordings_of(session, row)
    before = {one.language: one for one in wordings}
    same = before.get(text.language)
    title = text.title or (same.title if same else None)
    if title is None:
        message = "a translation needs a title"
        raise ValueError(message)
    changed = same is not None and (same.title, same.body) != (title, text.body)
    phase, occurred_at = text.phase or row.phase, text.occurred_at or row.occurred_at
    moved = (phase, occurred_at) != (row.phase, row.occurred_at)
    row.phase, row.occurred_at = phase, occurred_at
    if text.notify is not None and row.announced_at is None:
        row.notify = text.notify
    if changed or moved:
        row.edited_at = now
    if same is None or changed or moved:
        session.add(_wording(row, text.language, len(wordings) + 1, title, text.body, now))
    _recorded(session, incident, row, "incidents.edit-update", text.language, now)
    return Edited(row, translated=same is None, told=row.announced_at is not None)


def update_of(session: Session, incident: Incident, number: int) -> Update:
    """Return an update, an unpublished one too. Raises UpdateUnknown."""
    query = select(Update).where(Update.incident_id == incident.id, Update.number == number)
    row = session.scalar(query) if number <= MOST_UPDATES else None
    if row is None:
        raise UpdateUnknown(f"{incident.slug} has no update {number}")
    return row


def _wording(row: Update, language: str, number: int, title: str, body: str, now: datetime) -> Wording:
    return Wording(
        update_id=row.id,
        language=language,
        number=number,
        title=title,
        body=body,
        phase=row.phase,
        occurred_at=row.occurred_at,
        at=now,
    )


def _recorded(
    session: Session, incident: Incident, row: Update, action: str, language: str, now: datetime
) -> None:
    session.flush()
    if row.published_at is not None:
        show_anew(session)
    details: Details = {"update": row.number, "phase": row.phase, "language": language, "notify": row.notify}
    audit.record(session, action, incident.slug, details, now)


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

    def row_mac(self, vault: WorkerVault) -> bytes:
        """Return what vouches for every word of it that stands in a mail, and for its being public."""
        words = [sorted(self.titles.items()), self.original_language, sorted(self.incident_titles.items())]
        at = self.occurred_at.astimezone(UTC).isoformat(timespec="microseconds")
        ids = (self.update_id, self.incident_id, self.slug, self.number, self.phase, at)
        return vault.row_mac("announcement", *ids, int(self.public), json.dumps(words))


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
        if is_signed(session, vault, row):
            found.append(_announcement(session, row))
        else:
            log.error("an update that subscribers should be told of was altered or put in: nobody is mailed")
    return found


def sign(session: Session, vault: WorkerVault, row: Update) -> None:
    """Let the worker mail an update as it is written now."""
    row.row_mac = _announcement(session, row).row_mac(vault)
    session.flush()


def publish(session: Session, vault: WorkerVault | None, slug: str, now: datetime) -> Published:
    """Make an incident and all that waits of it public, and let the worker mail what somebody wanted mailed.

    Without a vault nobody is mailed. Raises IncidentUnknown.
    """
    rows = unannounced(session, locked(session, slug).id)
    kept = [(vault, row) for row in rows if vault and is_signed(session, vault, row)]
    done = make_public(session, slug, now)
    for signing, row in kept:
        sign(session, signing, row)
    return done


def unannounced(session: Session, incident_id: bytes) -> list[Update]:
    """Return the updates of an incident that wait to be mailed, vouched for or not."""
    waits = (Update.incident_id == incident_id) & Update.notify & Update.announced_at.is_(None)
    return list(session.scalars(select(Update).where(waits).order_by(Update.number)))


def is_signed(session: Session, vault: WorkerVault, row: Update) -> bool:
    """Tell whether an update is written as somebody with the worker's keys wanted it mailed."""
    return row.row_mac is not None and compare_digest(row.row_mac, _announcement(session, row).row_mac(vault))


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
