"""Store reminder choices, and compute the dates of reminders, also after the clock was wrong."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal.core import db
from portal.core.clock import start_of_day
from portal.crypto import tokens
from portal.crypto.vault import WorkerVault
from portal.identity.models import AccountState
from portal.outbox import service as outbox
from portal.rotation.models import INTERVALS, ReminderChoice
from portal.runtime.turns import MOST_ROWS, update_some

OFF = "off"
# The choice of a mailed link, where nobody signs in here: the worker stores it.
CHOSEN = "reminder-chosen"
LINK_LIFETIME = timedelta(days=7)
CHOICES = (*INTERVALS, OFF)

# Up to this late, the next date is counted from the due date, so that dates stay where the person expects
# them; later than this (an outage), from now, so that nobody gets two reminders close together.
ON_TIME = timedelta(days=7)
# A reminder may be sent this much before its interval has passed.
EARLY = timedelta(days=10)


class IntervalUnknown(ValueError):
    """The choice is none of 3, 6, 12 and off."""


@dataclass(frozen=True)
class Chosen:
    """An account's choice: an interval in months, or off, and the next due time."""

    interval: str
    next_due_at: datetime | None


def choose(session: Session, account_id: bytes, interval: str, now: datetime) -> None:
    """Store an account's choice; the first reminder is due one interval from now. Raises IntervalUnknown.

    Unsent reminders of the previous choice are withdrawn.
    """
    if interval not in CHOICES:
        raise IntervalUnknown
    months = 0 if interval == OFF else int(interval)
    today = start_of_day(now)  # the row names the account: its time must not say who pressed the button
    values = {
        "months": months,
        "counted_from": today,
        "next_due_at": add_months(today, months) if months else None,
    }
    statement = db.insert(session, ReminderChoice).values(account_id=account_id, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["account_id"], set_=values))
    outbox.withdraw(session, account_id, now)


def choose_if_known(session: Session, account_id: bytes, interval: str, now: datetime) -> None:
    """Store a choice where there was one before."""
    if session.get(ReminderChoice, account_id) is not None:
        choose(session, account_id, interval, now)


def forget_switched_off(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:  # noqa: ARG001
    """Delete up to `limit` choices made by mail that are off, with their owners; return how many."""
    off = (
        select(ReminderChoice.account_id)
        .join(AccountState, AccountState.id == ReminderChoice.account_id)
        .where(ReminderChoice.months == 0, AccountState.store == "link")
        .limit(limit)
    )
    ids = session.scalars(off).all()
    session.execute(delete(ReminderChoice).where(ReminderChoice.account_id.in_(ids)))
    session.execute(delete(AccountState).where(AccountState.id.in_(ids)))
    return len(ids)


def forget(session: Session, account_id: bytes, now: datetime) -> None:
    """Remove an account's choice and withdraw unsent reminders."""
    outbox.withdraw(session, account_id, now)
    session.execute(delete(ReminderChoice).where(ReminderChoice.account_id == account_id))


def chosen(session: Session, account_id: bytes) -> Chosen:
    """Return an account's choice; off by default."""
    row = session.execute(
        select(ReminderChoice.months, ReminderChoice.next_due_at).where(
            ReminderChoice.account_id == account_id
        )
    ).first()
    if row is None or not row.months:
        return Chosen(OFF, None)
    return Chosen(str(row.months), row.next_due_at)


def reminder_key(vault: WorkerVault, account_id: bytes, now: datetime) -> bytes:
    """Return the unique key of the reminder of a month to an account."""
    return vault.list_index("reminder", f"{account_id.hex()} {now:%Y-%m}")


def off_link_known(session: Session, token: str) -> bool:
    """Return whether a token belongs to the unsubscribe link of a reminder."""
    return session.scalar(select(ReminderChoice.account_id).where(_of_token(token))) is not None


def switch_off(session: Session, token: str, now: datetime) -> None:
    """Switch off the reminders of a token and withdraw unsent ones; an unknown token changes nothing."""
    off = update(ReminderChoice).where(_of_token(token)).values(months=0, next_due_at=None)
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
    """Return until when a due reminder must wait because its interval has not passed; None if it has.

    Changing the password restarts the interval. Times in the future were written by a wrong clock and are
    ignored.
    """
    known = [at for at in (choice.counted_from, password_changed_at) if at is not None and at <= now]
    if not known:
        return None
    until = add_months(max(known), choice.months)
    return until if now < until - EARLY else None


def reminded(choice: ReminderChoice, off_hash: bytes, now: datetime) -> None:
    """Store that a reminder was queued, and when the next one is due."""
    due_at = choice.next_due_at
    on_time = due_at is not None and now - due_at <= ON_TIME
    choice.next_due_at = add_months(due_at if due_at and on_time else start_of_day(now), choice.months)
    choice.counted_from = start_of_day(now)
    choice.off_hash = off_hash


def reset_future_dates(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Reset dates later than their interval allows, written while the clock was wrong; return how many.

    At most `limit`. If the clock is wrong now instead, `put_off_until` still prevents early reminders.
    """
    changed = 0
    for months in map(int, INTERVALS):
        late = add_months(now, months) + EARLY
        wrong = (ReminderChoice.months == months) & (ReminderChoice.next_due_at > late)
        values = {"next_due_at": add_months(start_of_day(now), months)}
        changed += update_some(session, ReminderChoice, wrong, values, limit - changed)
    return changed


def add_months(at: datetime, months: int) -> datetime:
    """Return the same day and time (UTC) `months` later, or the last day of a shorter month."""
    at = at.astimezone(UTC)
    year, month = divmod(at.month - 1 + months, 12)
    year, month = at.year + year, month + 1
    return at.replace(year=year, month=month, day=min(at.day, monthrange(year, month)[1]))


def _of_token(token: str) -> Any:
    return ReminderChoice.off_hash == tokens.token_hash(token)
