"""Take in what authors wrote: statements with their versions, and updates with their wordings."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.incidents.models import PUBLISHED, Incident, Section, Statement, Update, Wording
from portal.incidents.service import locked, show_anew, wordings_of

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
