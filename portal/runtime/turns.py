"""Change many rows a few at a time, so that no scheduled job holds the write lock for long."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from sqlalchemy import ColumnElement, delete, func, inspect, select, update
from sqlalchemy.orm import Session

from portal.core.db import Base, Database
from portal.core.settings import Retention
from portal.runtime.parts import WorkerParts

MOST_ROWS = 500  # per transaction
LEAST_ROWS = 10  # below that, the commit itself is what takes the time; the first turn has as many
# A turn may take 50 ms. Rows differ, and so do machines and how busy they are.
AIM_SECONDS = 0.025
TURNS = 50  # per step and run: other scheduled jobs wait meanwhile
# Otherwise the database sends the key of each row, in case the session had read it: memory for all of them.
UNREAD = {"synchronize_session": False}

# Arguments: session, now, limit. Returns how many rows it changed.
Step = Callable[[Session, datetime, int], int]


class Turns:
    """The transactions of one job. `rows` is how many rows the next should change, judged by the last."""

    def __init__(self, db: Database) -> None:
        """Start with few rows."""
        self.rows = LEAST_ROWS
        self._db = db
        self._last: float | None = None

    @contextmanager
    def take(self) -> Iterator[Session]:
        """Yield a session in a write transaction; before any but the first, let other writers in."""
        if self._last is not None:
            self._db.pause_after(self._last)
        with self._db.write() as session:
            begun = monotonic()
            yield session
        self._last = monotonic() - begun
        fitting = int(self.rows * AIM_SECONDS / max(self._last, AIM_SECONDS / 2))
        self.rows = min(max(fitting, LEAST_ROWS), MOST_ROWS)


def in_turns(parts: WorkerParts, *steps: Step) -> bool:
    """Run each step until it changes less than it may, each turn in a transaction of its own.

    Return False where more is left to do.
    """
    ended = True
    for step in steps:
        turns = Turns(parts.db)
        for _ in range(TURNS):
            if parts.stopping():
                return False
            limit = turns.rows
            with turns.take() as session:
                changed = step(session, parts.clock.now(), limit)
            if changed < limit:
                break
        else:
            ended = False
    return ended


def delete_some(session: Session, table: type[Base], which: ColumnElement[bool], limit: int) -> int:
    """Delete up to `limit` rows and return how many; `which` must be found through an index.

    The session must have read none of them.
    """
    result: Any = session.execute(delete(table).where(_some(table, which, limit)), execution_options=UNREAD)
    return int(result.rowcount)


def update_some(
    session: Session,
    table: type[Base],
    which: ColumnElement[bool],
    values: Mapping[Any, object],
    limit: int,
) -> int:
    """Change up to `limit` rows so that `which` no longer holds, and return how many.

    The session must have read none of them.
    """
    result: Any = session.execute(
        update(table).where(_some(table, which, limit)).values(values), execution_options=UNREAD
    )
    return int(result.rowcount)


@dataclass(frozen=True)
class Expired:
    """Rows of one kind that go after a time: for the worker's jobs, and for `portal purge`.

    `kind` is what the operator calls them. `over` returns which rows they are, found through an index, or
    None where they are kept for good. `clear` empties up to some of them; without it they are deleted.
    """

    kind: str
    table: type[Base]
    over: Callable[[Retention, datetime], ColumnElement[bool] | None]
    clear: Callable[[Session, ColumnElement[bool], int], int] | None = None

    def count(self, session: Session, retention: Retention, now: datetime) -> int:
        """Return how many rows there are whose time is over."""
        which = self.over(retention, now)
        if which is None:
            return 0
        return session.scalar(select(func.count()).select_from(self.table).where(which)) or 0

    def purge(self, session: Session, retention: Retention, now: datetime, limit: int) -> int:
        """Remove up to `limit` rows whose time is over; return how many."""
        which = self.over(retention, now)
        if which is None:
            return 0
        if self.clear is not None:
            return self.clear(session, which, limit)
        return delete_some(session, self.table, which, limit)

    def step(self, retention: Retention) -> Step:
        """Return the step of a job that removes these rows: see `in_turns`."""
        return lambda session, now, limit: self.purge(session, retention, now, limit)


def _some(table: type[Base], which: ColumnElement[bool], limit: int) -> ColumnElement[bool]:
    (key,) = inspect(table).primary_key
    # Rows that another transaction holds are left for the next turn: two workers must not wait in a circle.
    return key.in_(select(key).where(which).limit(limit).with_for_update(skip_locked=True))
