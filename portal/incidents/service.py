"""Create, publish and find incidents."""

import re
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.incidents.models import (
    CONTENT,
    DRAFT,
    PUBLISHED,
    RESOLVED,
    SLUG_LENGTH,
    TITLE_LENGTH,
    Content,
    Incident,
    Statement,
    Update,
    Wording,
)

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class IncidentUnknown(LookupError):
    """No incident has this slug."""


class SlugInvalid(ValueError):
    """The slug is not made of at most 60 lower-case letters, digits and single hyphens."""


class SlugTaken(ValueError):
    """Another incident already has this slug."""


class TitleInvalid(ValueError):
    """The title is empty, longer than 200 characters, or more than one line."""


@dataclass(frozen=True)
class Published:
    """What was published: `statements` as (number, language), `updates` by number, and whether classes."""

    first: bool
    statements: list[tuple[int, str]]
    updates: list[int]
    classes: bool


def create(
    session: Session,
    slug: str,
    title: str,
    classes: tuple[str, ...],
    now: datetime,
    *,
    discreet: bool = False,
    happened_on: date | None = None,
) -> Incident:
    """Create an incident as a draft. Raises SlugInvalid, SlugTaken, TitleInvalid."""
    if not _is_slug(slug):
        raise SlugInvalid(
            "a slug is at most 60 lower-case letters, digits and single hyphens, like november-2026"
        )
    if session.scalar(select(Incident.id).where(Incident.slug == slug)) is not None:
        raise SlugTaken(f"there is already an incident '{slug}'. See: portal incidents list")
    incident = Incident(
        slug=slug,
        title=checked_title(title),
        classes=";".join(classes),
        created_at=now,
        state=DRAFT,
        discreet=discreet,
        happened_on=happened_on,
    )
    session.add(incident)
    session.flush()
    details: dict[str, str | int | bool | None] = {"classes": len(classes)}
    if discreet:
        details["discreet"] = True
    audit.record(session, "incidents.create", slug, details, now)
    return incident


def set_discreet(session: Session, slug: str, now: datetime, *, discreet: bool) -> None:
    """Store whether mails say only that there is a message. Raises IncidentUnknown."""
    locked(session, slug).discreet = discreet
    invalidate_pages(session)
    session.flush()
    audit.record(session, "incidents.discreet", slug, {"discreet": discreet}, now)


def set_happened(session: Session, slug: str, happened_on: date | None, now: datetime) -> None:
    """Store the day that the next notice's subject names, or none. Raises IncidentUnknown."""
    locked(session, slug).happened_on = happened_on
    session.flush()
    day = None if happened_on is None else happened_on.isoformat()
    audit.record(session, "incidents.happened", slug, {"day": day}, now)


def set_title(session: Session, slug: str, title: str, language: str | None, now: datetime) -> Incident:
    """Store a title in a language; None is the portal's first one. Raises IncidentUnknown, TitleInvalid."""
    incident = locked(session, slug)
    if language is None:
        incident.title = checked_title(title)
    else:
        incident.titles = {**incident.titles, language: checked_title(title)}
    session.flush()
    if incident.state == PUBLISHED:
        invalidate_pages(session)
    audit.record(session, "incidents.title", slug, {"language": language}, now)
    return incident


def stage_classes(session: Session, incident: Incident, names: tuple[str, ...], now: datetime) -> bool:
    """Store the data classes of an incident; return whether they wait for its next publish.

    Those of a draft change at once. `names` are all of them: to add some, start from `next_class_names`.
    """
    incident = locked(session, incident.slug)
    wait = incident.state == PUBLISHED and set(names) != set(incident.class_names)
    if incident.state == PUBLISHED:
        incident.staged_classes = ";".join(names) if wait else None
    else:
        incident.classes = ";".join(names)
    session.flush()
    audit.record(session, "incidents.classes", incident.slug, {"classes": len(names), "staged": wait}, now)
    return wait


def publish(session: Session, slug: str, now: datetime) -> Published:
    """Publish an incident and all its drafts; of two concurrent calls the second finds nothing to do."""
    incident = locked(session, slug)
    first = incident.state == DRAFT
    if first:
        incident.state, incident.published_at = PUBLISHED, now
    classes = incident.staged_classes is not None
    if incident.staged_classes is not None:
        incident.classes, incident.staged_classes = incident.staged_classes, None
    statements = list(
        session.scalars(
            select(Statement)
            .where(Statement.incident_id == incident.id, Statement.published_at.is_(None))
            .order_by(Statement.number, Statement.language)
        )
    )
    updates = list(
        session.scalars(
            select(Update)
            .where(Update.incident_id == incident.id, Update.published_at.is_(None))
            .order_by(Update.number)
        )
    )
    for statement in statements:
        statement.published_at = now
    for entry in updates:
        entry.published_at = now
    session.flush()
    done = Published(
        first, [(one.number, one.language) for one in statements], [one.number for one in updates], classes
    )
    if first or statements or updates or classes:
        invalidate_pages(session)
        versions = " ".join(f"{number}.{language}" for number, language in done.statements)
        details: dict[str, str | int | bool | None] = {
            "first": first,
            "statements": versions,
            "updates": len(updates),
        }
        if classes:
            details["classes"] = len(incident.class_names)
        audit.record(session, "incidents.publish", slug, details, now)
    return done


def every(session: Session) -> list[Incident]:
    """Return all incidents including drafts, newest first."""
    return list(session.scalars(select(Incident).order_by(Incident.created_at.desc(), Incident.slug)))


def published(session: Session) -> list[Incident]:
    """Return the public incidents, newest first."""
    return list(
        session.scalars(
            select(Incident)
            .where(Incident.state == PUBLISHED)
            .order_by(Incident.published_at.desc(), Incident.slug)
        )
    )


def open_incidents(session: Session) -> list[Incident]:
    """Return the public incidents that are not resolved, newest first."""
    latest = phases(session)
    return [incident for incident in published(session) if latest.get(incident.id) != RESOLVED]


def phases(session: Session) -> dict[bytes, str]:
    """Return the current phase by incident id: that of the public update with the latest `occurred_at`."""
    rows = session.execute(
        select(Update.incident_id, Update.phase)
        .where(Update.published_at.is_not(None))
        .order_by(Update.occurred_at, Update.number)
    )
    return dict(rows.all())


def by_slug(session: Session, slug: str) -> Incident:
    """Return an incident, including drafts. Raises IncidentUnknown."""
    incident = session.scalar(select(Incident).where(Incident.slug == slug)) if _is_slug(slug) else None
    if incident is None:
        raise IncidentUnknown(f"there is no incident '{slug}'. See: portal incidents list")
    return incident


def published_by_slug(session: Session, slug: str) -> Incident:
    """Return a public incident. Raises IncidentUnknown, also for a draft."""
    incident = by_slug(session, slug)
    if incident.state != PUBLISHED:
        raise IncidentUnknown(f"there is no incident '{slug}'. See: portal incidents list")
    return incident


def by_id(session: Session, incident_id: bytes) -> Incident:
    """Return an incident. Raises IncidentUnknown."""
    incident = session.get(Incident, incident_id)
    if incident is None:
        raise IncidentUnknown("there is no such incident")
    return incident


def locked(session: Session, slug: str) -> Incident:
    """Return an incident, locked until the transaction ends. Raises IncidentUnknown."""
    query = select(Incident).where(Incident.slug == slug).with_for_update()
    incident = session.scalar(query.execution_options(populate_existing=True)) if _is_slug(slug) else None
    if incident is None:
        raise IncidentUnknown(f"there is no incident '{slug}'. See: portal incidents list")
    return incident


def updates(session: Session, incident_id: bytes, limit: int) -> list[Update]:
    """Return the newest public updates of an incident, at most `limit`."""
    public = (Update.incident_id == incident_id) & Update.published_at.is_not(None)
    return list(session.scalars(select(Update).where(public).order_by(Update.number.desc()).limit(limit)))


def wordings_of(session: Session, row: Update) -> list[Wording]:
    """Return all wordings of an update, oldest first; the language of the first is the original."""
    return list(session.scalars(select(Wording).where(Wording.update_id == row.id).order_by(Wording.number)))


def invalidate_pages(session: Session) -> None:
    """Make the cached pages of all web processes out of date as soon as this transaction commits."""
    session.execute(update(Content).where(Content.id == CONTENT).values(number=Content.number + 1))


def content_number(session: Session) -> int:
    """Return the number that grows with every public change."""
    return session.scalars(select(Content.number).where(Content.id == CONTENT)).one()


def _is_slug(slug: str) -> bool:
    return len(slug) <= SLUG_LENGTH and _SLUG.fullmatch(slug) is not None


def checked_title(title: str) -> str:
    """Return a title without outer whitespace. Raises TitleInvalid."""
    title = title.strip()
    if not title or len(title) > TITLE_LENGTH or not title.isprintable():
        raise TitleInvalid(f"a title is one line of at most {TITLE_LENGTH} characters")
    return title
