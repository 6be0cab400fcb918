"""Lanes: the mails of each notice have a priority of their own, so that they can be held at once.

A hold changes no mail: workers do not look into the lane. So none is lost or sent twice, whenever one dies.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import case, func, select, update
from sqlalchemy.orm import Session

from portal.outbox.models import FAILED, QUEUED, SENDING, UNCERTAIN, OutboxLane, OutboxMail
from portal.runtime.turns import UNREAD

FIRST = 100
# The reasons of mails that ended because their notice was stopped: not sent, and may have been sent.
STOPPED = "stopped"
WITHDRAWN = "withdrawn"


def add(session: Session, batch: bytes) -> int:
    """Return the number of a new lane for the mails of a notice. The caller's lock makes it the only one."""
    last = session.scalar(select(func.max(OutboxLane.number)))
    number = FIRST if last is None else last + 1
    session.add(OutboxLane(number=number, batch=batch, held=False))
    session.flush()
    return number


def hold(session: Session, batch: bytes, *, held: bool) -> None:
    """Let no mail of a notice leave, or let them leave again."""
    session.execute(update(OutboxLane).where(OutboxLane.batch == batch).values(held=held))


def open_lanes(session: Session) -> list[int]:
    """Return the lanes that are not held, the oldest first."""
    free = select(OutboxLane.number).where(OutboxLane.held.is_(False)).order_by(OutboxLane.number)
    return list(session.scalars(free))


def every(session: Session) -> list[int]:
    """Return all lanes."""
    return list(session.scalars(select(OutboxLane.number)))


def end_some(session: Session, lane: int, now: datetime, limit: int) -> int:
    """End up to `limit` mails of a lane that is held for good; return how many.

    What a living worker is sending stays until it has stored the result. What may have left is uncertain.
    """
    mine = (OutboxMail.priority == lane) & OutboxMail.due_at.is_not(None)
    idle = OutboxMail.lease.is_(None) | (OutboxMail.due_at <= now)
    some = select(OutboxMail.id).where(mine, idle).limit(limit).with_for_update(skip_locked=True)
    may_have_left = OutboxMail.state.in_([SENDING, UNCERTAIN])
    ended = {
        "state": case((may_have_left, UNCERTAIN), else_=FAILED),
        "reason": case((may_have_left, WITHDRAWN), else_=STOPPED),
        "ambiguous": case(
            ((OutboxMail.state == SENDING) & (OutboxMail.maybe_sent_count == 0), 1),
            else_=OutboxMail.maybe_sent_count,
        ),
        "due_at": None,
        "lease": None,
        "finished_at": now,
    }
    table: Any = OutboxMail.__table__
    result: Any = session.execute(
        update(table).where(table.c.id.in_(some)).values(ended), execution_options=UNREAD
    )
    return int(result.rowcount)


def waiting(session: Session, lane: int) -> bool:
    """Return whether mails of a lane wait or are being sent."""
    mine = (OutboxMail.priority == lane) & OutboxMail.due_at.is_not(None)
    return session.scalar(select(OutboxMail.state == QUEUED).where(mine).limit(1)) is not None
