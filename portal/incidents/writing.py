"""Store versions of statements and wordings of updates."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.incidents.models import PUBLISHED, Incident, Section, Statement, Update, Wording
from portal.incidents.service import invalidate_pages, locked, refuse_scheduled, wordings_of

MAX_UPDATE_NUMBER = 2**31 - 1  # the largest integer of the databases
# Of all sections together, or of an update: a longer mail is not read, and some mail programs cut it.
MAX_MAILED = 6000
Details = dict[str, str | int | bool | None]


class NoteMissing(ValueError):
    """A correction needs a note that says what it corrects."""


class TitleMissing(ValueError):
    """An update's first text in a language needs a title."""


class UpdateUnknown(LookupError):
    """The incident has no update of this number."""


class UpdateWithdrawn(ValueError):
    """The update was withdrawn: what is new is a new update."""


class Notify(Enum):
    """Whether subscribers get an update by mail; UNCHANGED means no for a new update."""

    YES = "yes"
    NO = "no"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class StatementText:
    """The text of one version of the statement in one language."""

    language: str
    title: str
    signed_by: str
    role: str
    note: str | None
    apology: str
    sections: Sequence[Section]
    summary: str | None = None


@dataclass(frozen=True)
class UpdateText:
    """The text of an update; None keeps the stored value.

    `occurred_on` goes with `occurred_at`, and is None where that is an exact time.
    """

    language: str
    phase: str | None
    title: str | None
    body: str
    occurred_at: datetime | None
    notify: Notify
    occurred_on: date | None = None


@dataclass(frozen=True)
class Edited:
    """The result of an edit: `translated` if it added a language, `announced` if it was mailed before."""

    update: Update
    translated: bool
    announced: bool


def characters(sections: Sequence[Section]) -> int:
    """Return the length of sections with their headings, which the notice holds up to `MAX_MAILED`."""
    return sum(len(heading) + len(text) for heading, text in sections)


def fits_email(sections: Sequence[Section]) -> bool:
    """Return whether a notice holds the sections; else it holds the statement's short form."""
    return characters(sections) <= MAX_MAILED


def next_number(known: Sequence[Statement], language: str) -> int:
    """Return the number of the version that a new text in a language belongs to; `known` are all versions."""
    waiting = next((one for one in known if one.language == language and one.published_at is None), None)
    if waiting is not None:
        return waiting.number
    newest = max((one.number for one in known), default=0)
    of_newest = {one.language: one for one in known if one.number == newest}
    withdrawn = any(one.withdrawn_at is not None for one in of_newest.values())
    return newest if of_newest and language not in of_newest and not withdrawn else newest + 1


def corrects(known: Sequence[Statement], language: str) -> bool:
    """Return whether a new text in a language corrects a public one, so that it says what was wrong.

    The first text in a language corrects none. What follows a holding statement, which lacks sections, says
    more. `known` are all versions, in their order.
    """
    public = [
        one
        for one in known
        if one.language == language and one.published_at is not None and one.withdrawn_at is None
    ]
    return bool(public) and public[-1].whole


def add_statement(session: Session, slug: str, text: StatementText, now: datetime) -> Statement:
    """Store a draft of the statement.

    It replaces the draft in its language if there is one, otherwise it becomes the translation of the
    newest version if that lacks its language, otherwise a new version. Raises IncidentUnknown,
    NoteMissing.
    """
    incident = locked(session, slug)
    all_versions = select(Statement).where(Statement.incident_id == incident.id).order_by(Statement.number)
    known = list(session.scalars(all_versions))
    waiting = next((one for one in known if one.language == text.language and one.published_at is None), None)
    if waiting is not None:
        refuse_scheduled(session, incident)
    number = next_number(known, text.language)
    if corrects(known, text.language) and not text.note:
        raise NoteMissing(
            f"version {number} corrects an earlier one: add a line `note: ...` that says what and why"
        )
    statement = waiting or Statement(incident_id=incident.id, number=number, language=text.language)
    statement.title, statement.signed_by, statement.role = text.title, text.signed_by, text.role
    statement.note, statement.apology, statement.written_at = text.note, text.apology, now
    statement.summary = text.summary
    statement.sections_json = json.dumps([list(section) for section in text.sections], ensure_ascii=False)
    session.add(statement)
    session.flush()
    details: Details = {"version": number, "language": text.language}
    audit.record(session, "incidents.statement", slug, details, now)
    return statement


def add_update(
    session: Session, slug: str, text: UpdateText, now: datetime, accepted: tuple[str, ...] = ()
) -> Update:
    """Add an entry to the timeline, public at once if the incident is; `text` needs a phase and a title.

    `accepted` are the codes of the checker that the author accepted, for the audit log.
    """
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
        occurred_on=text.occurred_on,
        written_at=now,
        published_at=now if public else None,
        notify=text.notify is Notify.YES,
    )
    session.add(row)
    session.flush()
    session.add(_wording(row, text.language, 1, text.title, text.body, now))
    _record(session, incident, row, "incidents.update", text.language, now, accepted)
    return row


def find_duplicate(session: Session, slug: str, text: UpdateText) -> int | None:
    """Return the number of the newest update if its text is the same, as after a command run twice."""
    incident = locked(session, slug)
    newest = select(Update).where(Update.incident_id == incident.id).order_by(Update.number.desc()).limit(1)
    row = session.scalar(newest)
    if row is None or row.phase != text.phase or row.withdrawn_at is not None:
        return None
    texts = {(one.language, one.title, one.body) for one in wordings_of(session, row)}
    return row.number if (text.language, text.title, text.body) in texts else None


def edit_update(
    session: Session,
    slug: str,
    number: int,
    text: UpdateText,
    now: datetime,
    accepted: tuple[str, ...] = (),
) -> Edited:
    """Change an update's text in a language, or add a language; earlier wordings stay stored.

    Raises IncidentUnknown, UpdateUnknown, TitleMissing.
    """
    incident = locked(session, slug)
    row = update_of(session, incident, number)
    if row.withdrawn_at is not None:
        raise UpdateWithdrawn(
            f"update {number} was withdrawn. Write a new one: portal incidents update {slug} FILE"
        )
    if row.published_at is None:
        refuse_scheduled(session, incident)
    wordings = wordings_of(session, row)
    before = {one.language: one for one in wordings}
    same = before.get(text.language)
    title = text.title or (same.title if same else None)
    if title is None:
        raise TitleMissing(
            f"update {number} has no text in {text.language} yet: give its title with --title, "
            "or as title: in the front matter"
        )
    changed = same is not None and (same.title, same.body) != (title, text.body)
    when = (text.occurred_at, text.occurred_on) if text.occurred_at else (row.occurred_at, row.occurred_on)
    phase = text.phase or row.phase
    moved = (phase, *when) != (row.phase, row.occurred_at, row.occurred_on)
    row.phase, (row.occurred_at, row.occurred_on) = phase, when
    if text.notify is not Notify.UNCHANGED and row.announced_at is None:
        row.notify = text.notify is Notify.YES
    if changed or moved:
        row.edited_at = now
    if same is None or changed or moved:
        session.add(_wording(row, text.language, len(wordings) + 1, title, text.body, now))
    if moved:  # its readers in other languages see what was changed too
        others = [one for one in before.values() if one.language != text.language]
        for place, one in enumerate(others, len(wordings) + 2):
            session.add(_wording(row, one.language, place, one.title, one.body, now))
    _record(session, incident, row, "incidents.edit-update", text.language, now, accepted)
    return Edited(row, translated=same is None, announced=row.announced_at is not None)


def update_of(session: Session, incident: Incident, number: int) -> Update:
    """Return an update, including drafts. Raises UpdateUnknown."""
    query = select(Update).where(Update.incident_id == incident.id, Update.number == number)
    row = session.scalar(query) if number <= MAX_UPDATE_NUMBER else None
    if row is None:
        raise UpdateUnknown(
            f"{incident.slug} has no update {number}. See: portal incidents show {incident.slug}"
        )
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
        occurred_on=row.occurred_on,
        at=now,
    )


def _record(
    session: Session,
    incident: Incident,
    row: Update,
    action: str,
    language: str,
    now: datetime,
    accepted: tuple[str, ...],
) -> None:
    session.flush()
    if row.published_at is not None:
        invalidate_pages(session)
    details: Details = {"update": row.number, "phase": row.phase, "language": language, "notify": row.notify}
    if accepted:
        details["accepted"] = " ".join(accepted)
    audit.record(session, action, incident.slug, details, now)
