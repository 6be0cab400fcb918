"""How fast requests are answered, by all workers together, and how long a new one waits at present.

Both are in one row, so that they hold across machines, and the wait costs the same however many are waiting.
"""

from datetime import datetime, timedelta
from typing import Any

from limits import RateLimitItem
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.intake.models import WAITING, IntakePace, IntakeRequest
from portal.runtime.parts import WorkerParts

# After a pause, what the rate allows in this time may be claimed at once.
BURST = timedelta(seconds=1)
# The most waiting requests that are counted: so many index entries are read in milliseconds.
MOST_COUNTED = 100_000
# `measure` runs every ten seconds; an older result means that no worker runs.
STALE = timedelta(minutes=1)
_TABLE: Any = IntakePace.__table__


def locked(session: Session) -> IntakePace:
    """Return the pace, locked until the transaction ends, for `allowed` and `count_claimed`."""
    return session.execute(select(IntakePace).with_for_update()).scalar_one()


def allowed(pace: IntakePace, rate: RateLimitItem | None, limit: int, now: datetime) -> int:
    """Return how many requests may be claimed now at this rate, `limit` at most."""
    if rate is None:
        return limit
    return min(limit, max(0, (now - _next_at(pace, rate, limit, now)) // _interval(rate) + 1))


def count_claimed(
    session: Session, pace: IntakePace, rate: RateLimitItem | None, claimed: int, *, more: bool, now: datetime
) -> None:
    """Count claimed requests; `more` says whether others are due."""
    session.execute(
        update(_TABLE).values(
            next_at=_next_at(pace, rate, claimed, now) + claimed * _interval(rate) if rate else pace.next_at,
            since=pace.since if pace.claimed else now,
            claimed=pace.claimed + claimed if more else 0,
        )
    )


def measure(parts: WorkerParts) -> None:
    """Store how long a new request waits: as long as all that are due now take at the present rate."""
    now = parts.clock.now()
    due = select(IntakeRequest.due_at).where(IntakeRequest.state == WAITING, IntakeRequest.due_at <= now)
    few = due.limit(MOST_COUNTED).subquery()
    with parts.db.read() as session:
        waiting, oldest = session.execute(select(func.count(), func.min(few.c.due_at))).one()
        pace = session.execute(select(IntakePace)).scalar_one()
    wait = (now - oldest).total_seconds() if oldest is not None else 0.0
    if pace.claimed:
        wait = max(wait, waiting * (now - pace.since).total_seconds() / pace.claimed)
    with parts.db.mark() as connection:
        connection.execute(update(_TABLE).values(wait_seconds=round(wait), measured_at=now, claimed=0))


def present_wait(session: Session, now: datetime) -> timedelta:
    """Return how long the last of the requests that are waiting now may wait for its answer."""
    pace = session.execute(select(IntakePace)).scalar_one()
    if abs(now - pace.measured_at) < STALE:
        return timedelta(seconds=pace.wait_seconds)
    oldest = session.scalar(select(func.min(IntakeRequest.due_at)))
    return max(now - oldest, timedelta()) if oldest is not None else timedelta()


def _next_at(pace: IntakePace, rate: RateLimitItem, limit: int, now: datetime) -> datetime:
    """Return from when the next request may be claimed."""
    # A time beyond what a claim can set was written under a wrong clock.
    if pace.next_at > now + limit * _interval(rate) + BURST:
        return now
    return max(pace.next_at, now - BURST)


def _interval(rate: RateLimitItem) -> timedelta:
    return max(timedelta(seconds=rate.get_expiry()) / rate.amount, timedelta.resolution)
