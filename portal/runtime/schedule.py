"""Schedule jobs: each has a row with its next time; what it does and how often is in the code."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import String, bindparam, delete, select, text, update
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import Base, Database, Utc
from portal.runtime.parts import WorkerParts

log = logging.getLogger("portal.schedule")

# How much longer than its interval a job may take to be claimed again, clocks of two machines included.
MAX_CLOCK_SKEW = timedelta(minutes=1)
# What reading a time raises that is no date: SQLite stores any text or number, PostgreSQL infinity.
UNREADABLE = (ValueError, TypeError, DataError)
# Several workers may insert the first row at once.
_ADD = text(
    "INSERT INTO scheduled_jobs (name, next_at) VALUES (:name, :next_at) ON CONFLICT (name) DO NOTHING"
).bindparams(bindparam("next_at", type_=Utc()))


class ScheduledTime(Base):
    """When the job of this name is due next. Rows of unknown names are ignored."""

    __tablename__ = "scheduled_jobs"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    next_at: Mapped[datetime] = mapped_column(Utc)


_TABLE: Any = ScheduledTime.__table__


@dataclass(frozen=True)
class ScheduledJob:
    """A job, and how often it runs.

    `run` opens its own transactions. In another worker it may run again before it has ended here.
    """

    name: str
    every: timedelta
    run: Callable[[WorkerParts], object]


@dataclass(frozen=True)
class DueJob:
    """A due job, and the time that its row had when it was read."""

    job: ScheduledJob
    next_at: datetime


class StuckTimes:
    """The times of one worker that lie too far ahead, and since when it has seen them.

    Such a time was written under another clock. While the worker with that clock lives, it moves the time on;
    a time that stays is stuck.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self._since: dict[str, tuple[datetime, datetime]] = {}

    def holds(self, due_job: DueJob, now: datetime) -> bool:
        """Note the job's time if it lies too far ahead; return whether it has stayed so for too long."""
        longest = due_job.job.every + MAX_CLOCK_SKEW
        if due_job.next_at <= now + longest:
            self._since.pop(due_job.job.name, None)
            return False
        seen, since = self._since.get(due_job.job.name, (None, now))
        if seen != due_job.next_at or now < since:
            self._since[due_job.job.name] = (due_job.next_at, now)
            return False
        return now >= since + longest


def due(
    db: Database, jobs: Sequence[ScheduledJob], now: datetime, stuck: StuckTimes | None = None
) -> list[DueJob]:
    """Return the jobs that are due, in the order of `jobs`: one look-up by primary key, without a lock.

    A job without a row, or with one whose time is none, gets one that is due now. What `stuck` holds is due.
    """
    times = _times(db, jobs)
    if missing := [job.name for job in jobs if job.name not in times]:
        with db.write() as session:
            for name in missing:
                session.execute(_ADD, {"name": name, "next_at": now})
        times = _times(db, jobs)
    found = [DueJob(job, times[job.name]) for job in jobs if job.name in times]
    return [each for each in found if each.next_at <= now or (stuck is not None and stuck.holds(each, now))]


def claim(db: Database, due_job: DueJob, now: datetime) -> bool:
    """Move a job's next time to one interval from now; return False where another worker did so first.

    After an outage the job runs once, however many times it missed.
    """
    job, seen = due_job.job, due_job.next_at
    statement = (
        update(_TABLE)
        .where(ScheduledTime.name == job.name, ScheduledTime.next_at == seen)
        .values(next_at=now + job.every)
    )
    with db.mark() as connection:  # a claim that a power cut undoes is repeated
        claimed = connection.execute(statement).rowcount == 1
    if claimed and seen > now:
        ahead = (seen - now).total_seconds()
        log.warning("schedule: %s was due in %d s; the clock was wrong, running now", job.name, ahead)
    return claimed


def _times(db: Database, jobs: Sequence[ScheduledJob]) -> dict[str, datetime]:
    names = [job.name for job in jobs]
    try:
        return _times_of(db, names)
    except UNREADABLE:
        unreadable = [name for name in names if not _is_readable(db, name)]
    with db.write() as session:
        session.execute(delete(ScheduledTime).where(ScheduledTime.name.in_(unreadable)))
    for name in unreadable:
        log.error("schedule: the time of %s is not a date: somebody changed the row; running now", name)
    return _times_of(db, names)


def _is_readable(db: Database, name: str) -> bool:
    try:
        _times_of(db, [name])
    except UNREADABLE:
        return False
    return True


def _times_of(db: Database, names: Sequence[str]) -> dict[str, datetime]:
    with db.read() as session:
        named = ScheduledTime.name.in_(names)
        rows = session.execute(select(ScheduledTime.name, ScheduledTime.next_at).where(named))
        return {name: next_at for name, next_at in rows}  # noqa: C416 - a row is a tuple only at run time
