"""Which mail leaves now: an operator's pause stops notices and updates, a hold the mails of one notice."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core import db
from portal.outbox import mail as mails
from portal.outbox.bulk import lanes
from portal.outbox.models import MailPause, OutboxLane, OutboxMail

PAUSE_NAME = "bulk"
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
    return [*numbers[:after], *lanes.open_lanes(session), *numbers[after:]]


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


def resume(session: Session, now: datetime) -> bool:
    """End the pause; return False if there was none. Writes the audit row."""
    ended: Any = session.execute(delete(MailPause).where(MailPause.name == PAUSE_NAME))
    if not ended.rowcount:
        return False
    audit.record(session, "outbox.resume", "", {}, now)
    return True


def pause_of(session: Session) -> MailPause | None:
    """Return the operator's pause, if there is one."""
    return session.get(MailPause, PAUSE_NAME)
