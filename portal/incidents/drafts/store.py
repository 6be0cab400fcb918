"""Save drafts, each save as a revision of its own: nothing that was typed is lost.

A save names the revision that it is based on. Where another was saved meanwhile, by somebody else or in
another tab, it is set aside, and its author is shown both.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from portal.incidents import service
from portal.incidents.drafts.models import Draft
from portal.incidents.models import Incident

MAX_CHARACTERS = 200_000
KEPT = 100  # saves of one text, one for each author and minute, and as many that were set aside
# How long each save is kept as it is: an open page may be based on it, and a session is idle for no longer.
OPEN = timedelta(minutes=30)
MOST_LATELY = 1000

Parts = Mapping[str, str]
Saved = Any  # a draft, or a row with its revision, author and time


class DraftTooLong(ValueError):
    """The parts have more than 200,000 characters together."""


class DraftUnknown(LookupError):
    """There is no such revision, or not any more."""


@dataclass(frozen=True)
class Conflict:
    """A save that was refused: what stands, and what its author wanted to save, which was set aside."""

    theirs: Draft
    yours: Draft


@dataclass(frozen=True)
class Clash:
    """A part that differs between two drafts; `changed_by` says who changed it since both were the same.

    It is `theirs`, `yours`, or `both`, which is also said where the common draft is not known any more.
    """

    part: str
    theirs: str
    yours: str
    changed_by: str


def head(session: Session, incident: Incident, document: str) -> Draft | None:
    """Return the draft as it was saved last, or None."""
    standing = _of(incident, document) & Draft.aside.is_(False)
    return session.scalar(select(Draft).where(standing).order_by(Draft.revision.desc()).limit(1))


def heads(session: Session, incident: Incident) -> dict[str, Draft]:
    """Return all drafts of an incident as they were saved last, by document."""
    newest = (
        select(Draft.document, func.max(Draft.revision).label("revision"))
        .where(Draft.incident_id == incident.id, Draft.aside.is_(False))
        .group_by(Draft.document)
        .subquery()
    )
    joined = (Draft.document == newest.c.document) & (Draft.revision == newest.c.revision)
    rows = session.scalars(select(Draft).join(newest, joined).where(Draft.incident_id == incident.id))
    return {row.document: row for row in rows}


def revision(session: Session, incident: Incident, document: str, number: int) -> Draft:
    """Return one save. Raises DraftUnknown."""
    found = session.get(Draft, (incident.id, document, number))
    if found is None:
        raise DraftUnknown("this version of the draft is gone")
    return found


def history(session: Session, incident: Incident, document: str) -> list[Draft]:
    """Return the saves of a text, newest first: one for each author and minute, and those set aside."""
    query = select(Draft).where(_of(incident, document)).order_by(Draft.revision.desc())
    rows = list(session.scalars(query))
    shown = {id(row) for row in _last_of_each_minute([row for row in rows if not row.aside])}
    return [row for row in rows if row.aside or id(row) in shown]


def save(
    session: Session, slug: str, document: str, parts: Parts, base: int, author: str, now: datetime
) -> Draft | Conflict:
    """Save a draft that is based on revision `base`, 0 for none.

    A save that changes nothing is none: the answer is then what stands. Raises IncidentUnknown,
    DraftTooLong.
    """
    if sum(len(text) for text in parts.values()) > MAX_CHARACTERS:
        raise DraftTooLong(f"a draft has at most {MAX_CHARACTERS:,} characters")
    incident = service.locked(session, slug)
    standing = head(session, incident, document)
    at = standing.revision if standing else 0
    row = Draft(
        incident_id=incident.id, document=document, base=base, aside=False, author=author, saved_at=now
    )
    if standing is not None and (standing.parts == dict(parts) or _is_unchanged(session, row, parts)):
        return standing
    if standing is not None and base != at:
        row.aside = True
        return Conflict(standing, _set_aside(session, row, parts))
    row.base = at
    _add(session, row, parts)
    _forget_old(session, incident, document, now)
    return row


def _is_unchanged(session: Session, row: Draft, parts: Parts) -> bool:
    """Return whether a save says what its author was shown, so that nothing is lost without it."""
    before = session.get(Draft, (row.incident_id, row.document, row.base))
    return before is not None and not before.aside and before.parts == dict(parts)


def replace(session: Session, slug: str, document: str, parts: Parts, author: str, now: datetime) -> Draft:
    """Save a draft in the place of whatever stands, which stays in the history. Raises as `save`."""
    incident = service.locked(session, slug)
    standing = head(session, incident, document)
    done = save(session, slug, document, parts, standing.revision if standing else 0, author, now)
    return done.theirs if isinstance(done, Conflict) else done


def restore(session: Session, slug: str, document: str, number: int, author: str, now: datetime) -> Draft:
    """Save what an earlier revision says as the newest one. Raises IncidentUnknown, DraftUnknown."""
    incident = service.locked(session, slug)
    return replace(session, slug, document, revision(session, incident, document, number).parts, author, now)


def discard(session: Session, slug: str, document: str) -> None:
    """Delete a draft with its history. Raises IncidentUnknown."""
    session.execute(delete(Draft).where(_of(service.locked(session, slug), document)))


def compare(session: Session, incident: Incident, conflict: Conflict) -> list[Clash]:
    """Return the parts in which two drafts differ, in the order of the text."""
    theirs, yours = conflict.theirs.parts, conflict.yours.parts
    before = session.get(Draft, (incident.id, conflict.yours.document, conflict.yours.base))
    old = None if before is None else before.parts
    return [
        Clash(part, theirs.get(part, ""), yours.get(part, ""), _changed_by(part, theirs, yours, old))
        for part in {**theirs, **yours}
        if theirs.get(part, "") != yours.get(part, "")
    ]


def _changed_by(part: str, theirs: Parts, yours: Parts, old: Parts | None) -> str:
    if old is None:
        return "both"
    if theirs.get(part, "") == old.get(part, ""):
        return "yours"
    return "theirs" if yours.get(part, "") == old.get(part, "") else "both"


def _of(incident: Incident, document: str) -> ColumnElement[bool]:
    return (Draft.incident_id == incident.id) & (Draft.document == document)


def _add(session: Session, row: Draft, parts: Parts) -> Draft:
    """Store a save under the next number."""
    same = (Draft.incident_id == row.incident_id) & (Draft.document == row.document)
    row.revision = (session.scalar(select(func.max(Draft.revision)).where(same)) or 0) + 1
    row.parts_json = json.dumps(dict(parts), ensure_ascii=False)
    session.add(row)
    session.flush()
    return row


def _set_aside(session: Session, row: Draft, parts: Parts) -> Draft:
    """Keep what could not be saved; the same try again is the same row."""
    tries = session.scalars(
        select(Draft)
        .where(Draft.incident_id == row.incident_id, Draft.document == row.document, Draft.aside)
        .where(Draft.author == row.author, Draft.base == row.base)
    )
    return next((one for one in tries if one.parts == dict(parts)), None) or _add(session, row, parts)


def _forget_old(session: Session, incident: Incident, document: str, now: datetime) -> None:
    """Thin the saves that no open page is based on any more, and delete the oldest."""
    rows = session.execute(
        select(Draft.revision, Draft.author, Draft.saved_at, Draft.aside)
        .where(_of(incident, document))
        .order_by(Draft.revision.desc())
    ).all()
    standing = [row for row in rows if not row.aside]
    lately = [row for row in standing if now - row.saved_at < OPEN][:MOST_LATELY]
    kept = [*lately, *_last_of_each_minute(standing[len(lately) :])[:KEPT]]
    kept += [row for row in rows if row.aside][:KEPT]
    over = {row.revision for row in rows} - {row.revision for row in kept}
    if over:
        session.execute(delete(Draft).where(_of(incident, document), Draft.revision.in_(over)))


def _last_of_each_minute(rows: Sequence[Saved]) -> list[Saved]:
    """Return the last save of each author and minute; `rows` are the newest first."""
    found: dict[tuple[str, datetime], Saved] = {}
    for row in rows:
        found.setdefault((row.author, row.saved_at.replace(second=0, microsecond=0)), row)
    return list(found.values())
