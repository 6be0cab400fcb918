"""When to remind whom: the person's choice, the next date, and what happens when clocks go wrong."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.core import db
from portal.crypto import tokens
from portal.outbox import service as outbox
from portal.rotation.models import ReminderChoice

OFF = "off"
INTERVALS = ("3", "6", "12")
CHOICES = (*INTERVALS, OFF)

# Up to this late, the next date is counted from the one that was due, so that dates stay where the person
# expects them; later than this (an outage), from now, so that nobody gets two reminders close together.
ON_TIME = timedelta(days=7)
# A reminder may come this much before a whole interval has passed since the last one.
EARLY = timedelta(days=10)


class IntervalUnknown(ValueError):
    """The choice is none of 3, 6, 12 and off."""


@dataclass(frozen=True)
class Chosen:
    """What an account chose: an interval in months, or off, and when the next reminder is due."""

    interval: str
    next_due_at: datetime | None


def choose(session: Session, account_id: bytes, interval: str, now: datetime) -> None:
    """Keep an account's choice; the first reminder is due one interval from now. Raises IntervalUnknown.

    A reminder of the former choice that has not left yet is withdrawn.
    """
    if interval not in CHOICES:
        raise IntervalUnknown
    months = 0 if interval == OFF else int(interval)
    values = {
        "months": months,
        "counted_from": now,
        "next_due_at": add_months(now, months) if months else None,
    }
    statement = db.insert(session, ReminderChoice).values(account_id=account_id, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["account_id"], set_=values))
    outbox.withdraw(session, account_id, now)


def chosen(session: Session, account_id: bytes) -> Chosen:
    """Return what an account chose; off where it never did."""
    row = session.execute(
        select(ReminderChoice.months, ReminderChoice.next_due_at).where(
            ReminderChoice.account_id == account_id
        )
    ).first()
    if row is None or not row.months:
        return Chosen(OFF, None)
    return Chosen(str(row.months), row.next_due_at)


def off_link_known(session: Session, token: str) -> bool:
    """Tell whether a token is that of a link in one of our reminders."""
    return session.scalar(select(ReminderChoice.account_id).where(_mailed(token))) is not None


def switch_off(session: Session, token: str, now: datetime) -> None:
    """Switch off the reminders whose link this is; a token that is not ours changes nothing."""
    off = update(ReminderChoice).where(_mailed(token)).values(months=0, next_due_at=None)
    for account_id in session.scalars(off.returning(ReminderChoice.account_id)).all():
        outbox.withdraw(session, account_id, now)


def take_due(session: Session, now: datetime, limit: int) -> list[ReminderChoice]:
    """Return up to `limit` due choices, locked until the caller's transaction ends."""
    due = (
        select(ReminderChoice)
        .where(ReminderChoice.next_due_at <= now)
        .order_by(ReminderChoice.next_due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(session.scalars(due))


def put_off_until(
    choice: ReminderChoice, password_changed_at: datetime | None, now: datetime
) -> datetime | None:
    """Return until when a due reminder should wait because its interval has not passed, or None if it has.

    A password that was changed meanwhile starts the interval anew. Times that lie ahead were written by a
    clock that was wrong, and count for nothing.
    """
    known = [at for at in (choice.counted_from, password_changed_at) if at is not None and at <= now]
    if not known:
        return None
    until = add_months(max(known), choice.months)
    return until if now < until - EARLY else None


def reminded(choice: ReminderChoice, off_hash: bytes, now: datetime) -> None:
    """Note that a reminder was enqueued, and when the next one is due."""
    due_at = choice.next_due_at
    on_time = due_at is not None and now - due_at <= ON_TIME
    choice.next_due_at = add_months(due_at if due_at is not None and on_time else now, choice.months)
    choice.counted_from = now
    choice.off_hash = off_hash


def mend_dates(session: Session, now: datetime) -> int:
    """Bring back dates further ahead than any choice makes them: a clock was wrong when they were written.

    If it is the clock of today that is wrong, no harm is done: `put_off_until` keeps the reminders from going
    early.
    """
    mended = 0
    for months in map(int, INTERVALS):
        result: Any = session.execute(
            update(ReminderChoice)
            .where(
                ReminderChoice.months == months, ReminderChoice.next_due_at > add_months(now, months) + EARLY
            )
            .values(next_due_at=add_months(now, months))
        )
        mended += int(result.rowcount)
    return mended


def add_months(at: datetime, months: int) -> datetime:
    """Return the same day and time `months` later, or the month's last day where it is shorter."""
    at = at.astimezone(UTC)
    year, month = divmod(at.month - 1 + months, 12)
    year, month = at.year + year, month + 1
    return at.replace(year=year, month=month, day=min(at.day, monthrange(year, month)[1]))


def _mailed(token: str) -> Any:
    return ReminderChoice.off_hash == tokens.token_hash(token)
