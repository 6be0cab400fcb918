"""Schedule jobs: each has a row with its next time; what it does and how often is in the code."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import String, bindparam, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import Base, Database, Utc
from portal.runtime.parts import WorkerParts

log = logging.getLogger("portal.schedule")

# How far the clocks of two machines may differ before one takes the other's times for wrong.
MAX_CLOCK_SKEW = timedelta(minutes=1)
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


def due(db: Database, jobs: Sequence[ScheduledJob], now: datetime) -> list[DueJob]:
    """Return the jobs that are due, in the order of `jobs`: one look-up by primary key, without a lock.

    A job without a row gets one that is due now. A time further ahead than the job's interval was written
    under a wrong clock, and counts as due.
    """
    times = _times(db, jobs)
    if missing := [job.name for job in jobs if job.name not in times]:
        with db.write() as session:
            for name in missing:
                session.execute(_ADD, {"name": name, "next_at": now})
        times = _times(db, jobs)
    found = [DueJob(job, times[job.name]) for job in jobs if job.name in times]
    return [each for each in found if each.next_at <= now or _too_far(each, now)]


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
    if claimed and _too_far(due_job, now):
        ahead = (seen - now).total_seconds()
        log.warning("schedule: %s was due in %d s; the clock was wrong, running now", job.name, ahead)
    return claimed


def _too_far(due_job: DueJob, now: datetime) -> bool:
    return due_job.next_at > now + due_job.job.every + MAX_CLOCK_SKEW


def _times(db: Database, jobs: Sequence[ScheduledJob]) -> dict[str, datetime]:
    named = ScheduledTime.name.in_([job.name for job in jobs])
    with db.read() as session:
        rows = session.execute(select(ScheduledTime.name, ScheduledTime.next_at).where(named))
        return {name: next_at for name, next_at in rows}  # noqa: C416 - a row is a tuple only at run time
