"""Which mail leaves now: a pause stops notices and updates, and a hold the mails of one notice.

The mails of each notice have a priority of their own, its lane. A hold changes no mail: workers do not look
into the lane. So none is lost or sent twice, whenever one dies.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, delete, exists, func, select, update
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core import db
from portal.outbox import mail as mails
from portal.outbox.models import (
    FAILED,
    QUEUED,
    SENDING,
    UNCERTAIN,
    MailPause,
    OutboxLane,
    OutboxMail,
)
from portal.runtime.turns import UNREAD

FIRST = 100
# The reasons of mails that ended because their notice was stopped: not sent, and may have been sent.
STOPPED = "stopped"
WITHDRAWN = "withdrawn"
PAUSE_NAME = "bulk"
LONGEST_REASON = 200  # characters of why there is a pause
_PAUSABLE = min(mails.PRIORITIES[stream] for stream in mails.PAUSABLE)


def any_due(session: Session, now: datetime) -> bool:
    """Return whether a mail may be sent now. Reads only: one lookup per priority in the index of due rows."""
    due = OutboxMail.priority.in_(sent_now(session)) & (OutboxMail.due_at <= now)
    return session.scalar(select(OutboxMail.id).where(due).limit(1)) is not None


def sent_now(session: Session) -> list[int]:
    """Return the priorities of the mails that are sent, the most urgent first; pauses leave some out."""
    paused = pause_of(session) is not None
    numbers = sorted(
        number for stream, number in mails.PRIORITIES.items() if not (paused and stream in mails.PAUSABLE)
    )
    if paused:
        return numbers
    after = numbers.index(mails.PRIORITIES[mails.LEGAL]) + 1
    return [*numbers[:after], *open_lanes(session), *numbers[after:]]


def not_paused() -> ColumnElement[bool]:
    """Return the condition that a mail is neither paused nor in a lane that is held."""
    held = exists().where(OutboxLane.number == OutboxMail.priority, OutboxLane.held.is_(True))
    urgent: ColumnElement[bool] = OutboxMail.priority < _PAUSABLE
    return urgent | and_(~exists(select(MailPause.name)), ~held)


def pause(session: Session, reason: str, now: datetime) -> bool:
    """Stop notices and updates until `resume`; return False if they were paused before, for whatever reason.

    Writes the audit row.
    """
    values = {"name": PAUSE_NAME, "reason": reason, "paused_at": now}
    added = db.insert(session, MailPause).values(values).on_conflict_do_nothing(index_elements=["name"])
    if session.execute(added.returning(MailPause.name)).first() is None:
        return False
    audit.record(session, "outbox.pause", reason, {}, now)
    return True


def resume(session: Session, now: datetime, reason: str = "") -> bool:
    """End the pause; return False if there was none. Writes the audit row."""
    ended: Any = session.execute(delete(MailPause).where(MailPause.name == PAUSE_NAME))
    if not ended.rowcount:
        return False
    audit.record(session, "outbox.resume", reason, {}, now)
    return True


def pause_of(session: Session) -> MailPause | None:
    """Return the operator's pause, if there is one."""
    return session.get(MailPause, PAUSE_NAME)


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
