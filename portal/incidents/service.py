"""Create, publish and find incidents."""

import re
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core.one_line import is_plain
from portal.incidents.models import (
    CONTENT,
    DRAFT,
    PUBLISHED,
    RESOLVED,
    SLUG_LENGTH,
    TITLE_LENGTH,
    Content,
    Incident,
    Schedule,
    Statement,
    Update,
    Wording,
)

# The log says `everyone` of resets without an incident, and the console has a page `new`.
_RESERVED = ("everyone", "new")
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class IncidentUnknown(LookupError):
    """No incident has this slug."""


class SlugInvalid(ValueError):
    """The slug is not made of at most 60 lower-case letters, digits and single hyphens."""


class SlugTaken(ValueError):
    """Another incident already has this slug."""


class TitleInvalid(ValueError):
    """The title is empty, longer than 200 characters, or more than one line."""


class Scheduled(ValueError):
    """Drafts of the incident are published at a set time: that is cancelled before they change."""


@dataclass(frozen=True)
class Published:
    """What was published: `statements` as (number, language), `updates` by number, and whether classes."""

    first: bool
    statements: list[tuple[int, str]]
    updates: list[int]
    classes: bool


@dataclass(frozen=True)
class Chosen:
    """What an author confirmed: drafts by id, the classes, and what they accepted of the checker.

    `more_by` is when readers are told more: a holding statement says so, and a `whole` one that follows it
    may keep what it promised.
    """

    statements: frozenset[bytes]
    updates: frozenset[bytes]
    classes: str | None
    accepted: tuple[str, ...] = ()
    more_by: datetime | None = None
    whole: bool = False


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
    if not _is_slug(slug) or slug in _RESERVED:
        raise SlugInvalid(
            "a slug is at most 60 lower-case letters, digits and single hyphens, like november-2026; "
            "'everyone' and 'new' are taken"
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
    """Store a title in a language; None is the portal's first one.

    Raises IncidentUnknown, TitleInvalid, Scheduled.
    """
    incident = locked(session, slug)
    if incident.state == DRAFT:
        refuse_scheduled(session, incident)
    if language is None:
        incident.title = checked_title(title)
    else:
        incident.titles = {**incident.titles, language: checked_title(title)}
    session.flush()
    if incident.state == PUBLISHED:
        invalidate_pages(session)
    audit.record(session, "incidents.title", slug, {"language": language}, now)
    return incident


def set_promise(
    session: Session, incident: Incident, more_by: datetime | None, now: datetime, by: str | None = None
) -> None:
    """Store by when readers are told more, or that nothing is promised; `by` names the text that says so."""
    changed = incident.promise(more_by, by)
    session.flush()
    if not changed:
        return
    invalidate_pages(session)
    at = None if more_by is None else more_by.isoformat(timespec="minutes")
    audit.record(session, "incidents.promise", incident.slug, {"at": at}, now)


def stage_classes(session: Session, incident: Incident, names: tuple[str, ...], now: datetime) -> bool:
    """Store the data classes of an incident; return whether they wait for its next publish.

    Those of a draft change at once. `names` are all of them: to add some, start from `next_class_names`.
    Raises Scheduled.
    """
    incident = locked(session, incident.slug)
    if incident.state == DRAFT:
        refuse_scheduled(session, incident)
    wait = incident.state == PUBLISHED and set(names) != set(incident.class_names)
    if incident.state == PUBLISHED:
        incident.staged_classes = ";".join(names) if wait else None
    else:
        incident.classes = ";".join(names)
    session.flush()
    audit.record(session, "incidents.classes", incident.slug, {"classes": len(names), "staged": wait}, now)
    return wait


def publish(session: Session, slug: str, now: datetime, chosen: Chosen | None = None) -> Published:
    """Publish an incident and its drafts; of two concurrent calls the second finds nothing to do.

    `chosen` are the drafts to publish, and how; without it, all of them. Raises IncidentUnknown.
    """
    incident = locked(session, slug)
    first = incident.state == DRAFT
    if first:
        incident.state, incident.published_at = PUBLISHED, now
    staged = incident.staged_classes if chosen is None else chosen.classes
    if staged is not None:
        incident.classes = staged
        if incident.staged_classes == staged:
            incident.staged_classes = None
    newest = newest_public(session, incident)
    statements = _drafts_of(session, incident, None if chosen is None else chosen.statements)
    updates = _draft_updates_of(session, incident, None if chosen is None else chosen.updates)
    for statement in statements:
        statement.published_at = now
    for entry in updates:
        entry.published_at = now
    more_by = chosen.more_by if chosen else None
    promised = more_by is not None or any(one.number > newest for one in statements)
    ends = promised and more_by is None and incident.more_by is not None
    if promised:
        incident.promise(more_by, f"version {statements[-1].number if statements else newest}")
    session.flush()
    done = Published(
        first,
        [(one.number, one.language) for one in statements],
        [one.number for one in updates],
        staged is not None,
    )
    if first or statements or updates or done.classes or promised:
        invalidate_pages(session)
        _record_publication(session, incident, done, chosen, now, ends=ends)
    return done


def _record_publication(
    session: Session, incident: Incident, done: Published, chosen: Chosen | None, now: datetime, *, ends: bool
) -> None:
    versions = " ".join(f"{number}.{language}" for number, language in done.statements)
    details: dict[str, str | int | bool | None] = {
        "first": done.first,
        "statements": versions,
        "updates": len(done.updates),
    }
    if done.classes:
        details["classes"] = len(incident.class_names)
    if chosen and chosen.more_by is not None:
        details["keeps_promise" if chosen.whole else "holding"] = True
    if ends:
        details["ends_promise"] = True
    if chosen and chosen.accepted:
        details["accepted"] = " ".join(sorted(chosen.accepted))
    audit.record(session, "incidents.publish", incident.slug, details, now)


def newest_public(session: Session, incident: Incident) -> int:
    """Return the number of the newest version that was ever published, 0 for none."""
    public = (Statement.incident_id == incident.id) & Statement.published_at.is_not(None)
    return session.scalar(select(func.max(Statement.number)).where(public)) or 0


def _drafts_of(session: Session, incident: Incident, chosen: frozenset[bytes] | None) -> list[Statement]:
    rows = session.scalars(
        select(Statement)
        .where(Statement.incident_id == incident.id, Statement.published_at.is_(None))
        .order_by(Statement.number, Statement.language)
    )
    return [one for one in rows if chosen is None or one.id in chosen]


def _draft_updates_of(session: Session, incident: Incident, chosen: frozenset[bytes] | None) -> list[Update]:
    rows = session.scalars(
        select(Update)
        .where(Update.incident_id == incident.id, Update.published_at.is_(None))
        .order_by(Update.number)
    )
    return [one for one in rows if chosen is None or one.id in chosen]


def schedule_of(session: Session, incident: Incident) -> Schedule | None:
    """Return what is to be published of an incident at a set time, or None."""
    return session.get(Schedule, incident.id, populate_existing=True)


def refuse_scheduled(session: Session, incident: Incident) -> None:
    """Raise Scheduled where drafts of an incident wait for their time, as they were confirmed."""
    found = schedule_of(session, incident)
    if found is not None:
        raise Scheduled(
            f"drafts of {incident.slug} are published at {found.at:%Y-%m-%d %H:%M} UTC, as confirmed. "
            f"To change them, cancel that first: portal incidents publish {incident.slug} --cancel"
        )


def every(session: Session) -> list[Incident]:
    """Return all incidents including drafts, newest first."""
    return list(session.scalars(select(Incident).order_by(Incident.created_at.desc(), Incident.slug)))


def titles(session: Session, language: str) -> dict[str, str]:
    """Return the titles of all incidents by slug, each in a language or else the default one."""
    return {one.slug: one.title_in(language) for one in every(session)}


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
    """Return the current phase by incident id: that of the public update with the latest `occurred_at`.

    Those that were withdrawn do not count.
    """
    rows = session.execute(
        select(Update.incident_id, Update.phase)
        .where(Update.published_at.is_not(None), Update.withdrawn_at.is_(None))
        .order_by(Update.occurred_at, Update.number)
    )
    return dict(rows.all())


def set_discovered(session: Session, slug: str, at: datetime, now: datetime) -> None:
    """Store when the company found an incident out. Raises IncidentUnknown."""
    locked(session, slug).discovered_at = at
    session.flush()
    audit.record(session, "incidents.discovered", slug, {"at": at.isoformat(timespec="minutes")}, now)


def detected_at(session: Session, incident: Incident) -> datetime:
    """Return when an incident was found out, as staff say, or its timeline, or else when it was created here.

    A withdrawn update does not count.
    """
    if incident.discovered_at is not None:
        return incident.discovered_at
    detected = (Update.incident_id == incident.id) & (Update.phase == "detected")
    first = select(func.min(Update.occurred_at)).where(detected, Update.withdrawn_at.is_(None))
    return session.scalar(first) or incident.created_at


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
    incident = session.scalar(query) if _is_slug(slug) else None
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
    if not (title := title.strip()) or len(title) > TITLE_LENGTH or not is_plain(title):
        raise TitleInvalid(f"a title is one line of at most {TITLE_LENGTH} characters")
    return title
