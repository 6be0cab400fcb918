"""Discard drafts, and an incident of which nothing was ever public."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.incidents import service
from portal.incidents.drafts.models import Draft
from portal.incidents.models import PUBLISHED, Incident, Schedule, Statement, Update, Wording
from portal.incidents.writing import update_of


class NotADraft(ValueError):
    """The text is public, or there is none: what is public is withdrawn, not discarded."""


def discard_version(session: Session, slug: str, number: int, language: str, now: datetime) -> None:
    """Delete a draft of the statement in one language. Raises IncidentUnknown, NotADraft, Scheduled."""
    incident = service.locked(session, slug)
    row = session.scalar(
        select(Statement)
        .where(Statement.incident_id == incident.id, Statement.number == number)
        .where(Statement.language == language, Statement.published_at.is_(None))
    )
    if row is None:
        raise NotADraft(
            f"version {number} ({language}) is no draft of the statement. See: portal incidents show {slug}"
        )
    service.refuse_scheduled(session, incident)
    session.delete(row)
    session.flush()
    details: dict[str, str | int | bool | None] = {"version": number, "language": language}
    audit.record(session, "incidents.discard", slug, details, now)


def discard_update(session: Session, slug: str, number: int, now: datetime) -> None:
    """Delete a draft of an update in all languages.

    Raises IncidentUnknown, UpdateUnknown, NotADraft, Scheduled.
    """
    incident = service.locked(session, slug)
    row = update_of(session, incident, number)
    if row.published_at is not None:
        raise NotADraft(f"update {number} is public. See: portal incidents withdraw {slug} --update {number}")
    service.refuse_scheduled(session, incident)
    session.execute(delete(Wording).where(Wording.update_id == row.id))
    session.delete(row)
    session.flush()
    audit.record(session, "incidents.discard", slug, {"update": number}, now)


def discard_classes(session: Session, slug: str, now: datetime) -> None:
    """Forget the data classes that wait. Raises IncidentUnknown, NotADraft, Scheduled."""
    incident = service.locked(session, slug)
    if incident.staged_classes is None:
        raise NotADraft(f"no data classes wait for the next publish. See: portal incidents show {slug}")
    service.refuse_scheduled(session, incident)
    incident.staged_classes = None
    session.flush()
    audit.record(session, "incidents.discard", slug, {"classes": True}, now)


def discardable(session: Session, slug: str, lists: int) -> Incident:
    """Return an incident that nobody ever saw; `lists` is the number of its lists. Raises NotADraft."""
    incident = service.locked(session, slug)
    if incident.state == PUBLISHED:
        raise NotADraft(f"the incident {slug} is public. See: portal incidents withdraw --help")
    if lists:
        raise NotADraft(f"{slug} has a list of people. Delete it first: portal exposure list {slug}")
    return incident


def discard_incident(session: Session, slug: str, lists: int, now: datetime) -> None:
    """Delete an incident that nobody ever saw, with all its drafts. Raises IncidentUnknown, NotADraft."""
    incident = discardable(session, slug, lists)
    of_updates = select(Update.id).where(Update.incident_id == incident.id)
    session.execute(delete(Wording).where(Wording.update_id.in_(of_updates)))
    for table in (Update, Statement, Schedule, Draft):
        session.execute(delete(table).where(table.incident_id == incident.id))
    session.execute(delete(Incident).where(Incident.id == incident.id))
    audit.record(session, "incidents.discard", slug, {"incident": True}, now)
