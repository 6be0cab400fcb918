"""Change many rows a few at a time, so that no scheduled job holds the write lock for long."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, inspect, select, update
from sqlalchemy.orm import Session

from portal.core.db import Base
from portal.runtime.parts import WorkerParts

TURN = 500  # rows per transaction
TURNS = 20  # transactions per step and run: other scheduled jobs wait meanwhile

# Arguments: session, now. Returns how many rows it changed, TURN at most.
Step = Callable[[Session, datetime], int]


def delete_some(session: Session, table: type[Base], which: ColumnElement[bool], limit: int = TURN) -> int:
    """Delete up to `limit` rows and return how many; `which` must be found through an index."""
    result: Any = session.execute(delete(table).where(_some(table, which, limit)))
    return int(result.rowcount)


def update_some(
    session: Session,
    table: type[Base],
    which: ColumnElement[bool],
    values: Mapping[Any, object],
    limit: int = TURN,
) -> int:
    """Change up to `limit` rows so that `which` no longer holds, and return how many."""
    result: Any = session.execute(update(table).where(_some(table, which, limit)).values(values))
    return int(result.rowcount)


def _some(table: type[Base], which: ColumnElement[bool], limit: int) -> ColumnElement[bool]:
    (key,) = inspect(table).primary_key
    # Rows that another transaction holds are left for the next turn: two workers must not wait in a circle.
    return key.in_(select(key).where(which).limit(limit).with_for_update(skip_locked=True))


def in_turns(parts: WorkerParts, *steps: Step) -> bool:
    """Run each step until it changes less than a full turn, each turn in a transaction of its own.

    Return False where more is left to do.
    """
    ended = True
    for step in steps:
        opened = parts.db.write
        for _ in range(TURNS):
            if parts.stopping():
                return False
            with opened() as session:
                changed = step(session, parts.clock.now())
            if changed < TURN:
                break
            opened = parts.db.write_in_turn
        else:
            ended = False
    return ended
