"""Collect the state of the portal, with reads that end soon however many people there are.

Counts of rows stop at MOST. What is counted for millions was stored when it changed: a list's people, a
notice's progress, the mails that were sent.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from portal.campaigns.series import progress as campaigns
from portal.core.db import Database
from portal.exposure import service as exposure
from portal.incidents import service as incidents
from portal.incidents.models import PUBLISHED
from portal.intake.models import FAILED as REQUEST_FAILED
from portal.intake.models import HELD, WAITING, IntakeRequest
from portal.outbox.bulk import lanes
from portal.outbox.mail import PRIORITIES, REQUESTED
from portal.outbox.models import BOUNCED, ENDED, FAILED, SENT, UNCERTAIN, OutboxCount, OutboxMail
from portal.runtime import heartbeat
from portal.subscriptions.models import Suppression

# Index entries that are read in some ten milliseconds; a larger number is shown as "100000 or more".
MOST = 100_000
# The streams of mails, as operators call them.
STREAMS = {
    "requested" if stream == REQUESTED else "notices" if stream == "legal" else stream: number
    for stream, number in PRIORITIES.items()
}


@dataclass(frozen=True)
class Requests:
    """The requests from forms that are not answered yet, and since when the oldest of them is due."""

    waiting: int
    held: int
    failed: int
    oldest_due_at: datetime | None


@dataclass(frozen=True)
class Mails:
    """The mails: those that wait by stream and since when, and those that ended by state.

    `paused` is the operator's reason, and `paused_since` since when.
    """

    waiting: dict[str, int]
    oldest_waiting_at: datetime | None
    ended: dict[str, int]
    paused: str | None
    paused_since: datetime | None


@dataclass(frozen=True)
class List:
    """The active list of an incident, or None in every field but the incident's."""

    slug: str
    published: bool
    number: int | None = None
    people: int = 0
    addresses: int = 0
    imported_at: datetime | None = None


@dataclass(frozen=True)
class Notice:
    """The progress of a notice in addresses. `sent` is stored some ten minutes after the relay's reply."""

    slug: str
    list_number: int
    addresses: int
    queued: int
    earlier: int
    left_out: int
    sent: int
    ended: bool


@dataclass(frozen=True)
class Figures:
    """The state of the portal at one time."""

    workers: heartbeat.Workers
    requests: Requests
    mails: Mails
    lists: tuple[List, ...]
    notices: tuple[Notice, ...]


def collect(db: Database, now: datetime) -> Figures:
    """Return the figures, from one snapshot."""
    with db.snapshot() as session:
        return Figures(
            heartbeat.workers(session, now),
            _requests(session),
            mails(session),
            _lists(session),
            _notices(session),
        )


def _requests(session: Session) -> Requests:
    waiting, held, failed = (
        _at_most(session, select(IntakeRequest.state).where(IntakeRequest.state == state))
        for state in (WAITING, HELD, REQUEST_FAILED)
    )
    return Requests(waiting, held, failed, session.scalar(select(func.min(IntakeRequest.due_at))))


def mails(session: Session) -> Mails:
    waiting, oldest = {}, []
    for name, priority in STREAMS.items():
        numbers = [priority, *(lanes.every(session) if name == "notices" else ())]
        waits = OutboxMail.priority.in_(numbers) & OutboxMail.due_at.is_not(None)
        waiting[name] = _at_most(session, select(OutboxMail.due_at).where(waits))
        oldest += [session.scalar(_first_waiting(number)) for number in numbers]
    moved = select(OutboxCount.state, func.sum(OutboxCount.number)).group_by(OutboxCount.state)
    stored = {state: int(number) for state, number in session.execute(moved)}
    ended = {
        state: stored.get(state, 0)
        + _at_most(session, select(OutboxMail.state).where(ENDED & (OutboxMail.state == state)))
        for state in (SENT, FAILED, UNCERTAIN, BOUNCED)
    }
    pause = lanes.pause_of(session)
    return Mails(
        waiting,
        min((at for at in oldest if at is not None), default=None),
        ended,
        pause.reason if pause else None,
        pause.paused_at if pause else None,
    )


def unsubscribed(session: Session) -> int:
    """Return how many unsubscribed from updates, counting no further than MOST."""
    return _at_most(session, select(Suppression.index))


def _lists(session: Session) -> tuple[List, ...]:
    found = []
    for incident in incidents.every(session):
        version = exposure.active(session, incident.id)
        empty = List(incident.slug, incident.state == PUBLISHED)
        found.append(
            empty
            if version is None
            else replace(
                empty,
                number=version.number,
                people=version.people,
                addresses=version.addresses,
                imported_at=version.imported_at,
            )
        )
    return tuple(found)


def _first_waiting(priority: int) -> Select[Any]:
    waits = (OutboxMail.priority == priority) & OutboxMail.due_at.is_not(None)
    return select(OutboxMail.created_at).where(waits).order_by(OutboxMail.due_at).limit(1)


def _notices(session: Session) -> tuple[Notice, ...]:
    moved = select(OutboxCount.batch, OutboxCount.number).where(OutboxCount.state == SENT)
    sent = {batch: int(number) for batch, number in session.execute(moved)}
    return tuple(
        Notice(
            incidents.by_id(session, each.incident_id).slug,
            campaigns.list_number(session, each),
            each.addresses,
            each.written,
            each.earlier,
            each.left_out,
            sent.get(each.id, 0),
            each.ended_at is not None,
        )
        for each in campaigns.campaigns(session)
    )


def _at_most(session: Session, rows: Select[Any]) -> int:
    """Return the number of rows, counting no further than MOST."""
    return session.scalar(select(func.count()).select_from(rows.limit(MOST).subquery())) or 0
