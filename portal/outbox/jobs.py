"""Scheduled jobs on the outbox tables: repair due times, move sent mails, remove what is no longer needed."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, delete, select, update
from sqlalchemy.orm import Session

from portal.core import db
from portal.outbox import service
from portal.outbox.mail import PRIORITIES, REQUESTED, UPDATES
from portal.outbox.models import ENDED, HAS_PAYLOAD, SENT, OutboxCount, OutboxDelivered, OutboxMail
from portal.runtime.parts import WorkerParts
from portal.runtime.turns import MOST_ROWS, in_turns, update_some

KEEP_PAYLOAD = timedelta(days=30)
# The longest delay of a retry; a mail that may have been delivered waits longer for its next attempt.
FURTHEST = timedelta(hours=1)
FURTHEST_MAYBE_SENT = timedelta(hours=31)
_TABLE: Any = OutboxMail.__table__
_MOVED = (
    _TABLE.c.proof_hash,
    _TABLE.c.priority,
    _TABLE.c.batch,
    _TABLE.c.unique_key,
    _TABLE.c.state,
    _TABLE.c.finished_at,
    _TABLE.c.proof,
)


def tidy(parts: WorkerParts) -> None:
    """Reset due times set by a wrong clock, and remove what is no longer needed of old mails."""
    in_turns(parts, reset_future_dates, empty_old)


def move_sent(parts: WorkerParts) -> None:
    """Move sent mails to the narrow table, ten minutes later: until then they show that the relay works."""
    in_turns(parts, move_some)


def move_some(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Move up to `limit` sent mails to the narrow table, in the caller's transaction; return how many.

    So a mail is always in one of the two tables, wherever a worker is killed.
    """
    sent = ENDED & (OutboxMail.state == SENT) & (OutboxMail.finished_at <= now - service.MAIL_LATE)
    found = _ids(session, sent & OutboxMail.proof_hash.is_not(None), limit)
    _move(session, OutboxMail.id.in_(found))
    return len(found)


def empty_old(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Blank the payload of up to `limit` mails that ended over 30 days ago; return how many.

    Of requested mails, only the proof stays that one was sent or may have been. The others stay for the
    counts, and to be sent again with the next notice.
    """
    found = _ids(session, HAS_PAYLOAD & (OutboxMail.finished_at < now - KEEP_PAYLOAD), limit)
    _move(session, OutboxMail.id.in_(found) & (OutboxMail.priority == PRIORITIES[REQUESTED]))
    session.execute(update(_TABLE).where(OutboxMail.id.in_(found)).values(payload=b""))
    return len(found)


def _ids(session: Session, which: ColumnElement[bool], limit: int) -> Sequence[bytes]:
    return session.scalars(
        select(OutboxMail.id).where(which).limit(limit).with_for_update(skip_locked=True)
    ).all()


def _move(session: Session, which: ColumnElement[bool]) -> None:
    """Delete mails, and keep of each that has a proof what `OutboxDelivered` holds; count those."""
    gone: Any = session.execute(delete(_TABLE).where(which).returning(*_MOVED)).all()
    # Sorted by their random hashes: the order of sending would say who was mailed after whom.
    rows = [_delivered(row) for row in sorted(row for row in gone if row.proof_hash is not None)]
    if not rows:
        return
    # A conflict is a forged row, which must not stop the others.
    session.execute(db.insert(session, OutboxDelivered).on_conflict_do_nothing(), rows)
    counted = Counter((row["batch"] or b"", row["state"]) for row in rows)
    for (batch, state), number in sorted(counted.items()):
        added = db.insert(session, OutboxCount).values(batch=batch, state=state, number=number)
        total = {"number": OutboxCount.number + number}
        session.execute(added.on_conflict_do_update(index_elements=["batch", "state"], set_=total))


def _delivered(row: Any) -> dict[str, Any]:
    # The batch of an update or reminder is its reader: nobody counts by it, and it would lead to them.
    batch = None if row.priority == PRIORITIES[UPDATES] else row.batch
    return {
        "proof_hash": row.proof_hash,
        "batch": batch,
        "unique_key": row.unique_key,
        "state": row.state,
        "day": row.finished_at.date(),
        "proof": row.proof or b"",
    }


def reset_future_dates(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Make up to `limit` mails due now whose due time is later than any delay; return how many.

    The clock was wrong when it was set. A mail that is being delivered stays with its worker for one lease.
    """
    # Few mails that may have been sent wait: delivery pauses after each. So the filter skips few.
    certain = (OutboxMail.maybe_sent_count == 0) | (OutboxMail.due_at > now + FURTHEST_MAYBE_SENT)
    wrong = OutboxMail.priority.in_(PRIORITIES.values()) & (OutboxMail.due_at > now + FURTHEST) & certain
    due_at = case((OutboxMail.lease.is_(None), now), else_=now + service.LEASE)
    return update_some(session, OutboxMail, wrong, {"due_at": due_at}, limit)
