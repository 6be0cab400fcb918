"""Attempts to store a new password outside the database: one per account at a time, and none forgotten.

An attempt is a row with a lease, committed before the store is called. A link is spent only when its attempt
ends well, so a worker that is killed loses no link. Where nobody can say whether the store changed the
password, the row says so: the same password, typed again, is then no repetition of an old one.
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from portal.core import db
from portal.core.clock import start_of_day
from portal.crypto.vault import Cell, VaultError, WorkerVault
from portal.reset.models import PasswordAttempt
from portal.runtime.turns import MOST_ROWS, delete_some

log = logging.getLogger("portal.reset")

# Longer than a job's deadline and every call of a store together.
LEASE = timedelta(minutes=1)
# As long as the links last that may be used again.
UNKNOWN_KEPT = timedelta(days=8)
_SIZES = (512, 1536)


class UnderWay(Exception):
    """Another attempt for this account is under way."""


@dataclass(frozen=True, repr=False)
class Attempt:
    """An attempt that has begun. `unsure`: what became of an earlier one was never known."""

    id: bytes
    account_id: bytes
    unsure: bool


@dataclass(frozen=True, repr=False)
class Lost:
    """The attempt of a worker that died: the portal's id of its account, and the store's."""

    account_id: bytes
    store_id: str


def begin(
    session: Session, vault: WorkerVault, attempt_id: bytes, account_id: bytes, store_id: str, now: datetime
) -> Attempt:
    """Begin an attempt, for which the account must have no other. Raises UnderWay. Commit it at once."""
    key = _key(vault, account_id)
    account = json.dumps([account_id.hex(), store_id], ensure_ascii=False).encode()
    values = {
        "account_key": key,
        "attempt": attempt_id,
        "account": vault.encrypt(_cell(key), account, _SIZES),
        "unknown": False,
        "until": now + LEASE,
    }
    own = PasswordAttempt
    statement = (
        db.insert(session, own)
        .values(values)
        .on_conflict_do_update(
            index_elements=[own.account_key],
            # One whose lease has ended was its worker's last: what became of it is not known.
            set_={**values, "unknown": or_(own.unknown, own.attempt.is_not(None))},
            where=own.attempt.is_(None) | (own.until <= now),
        )
        .returning(own.unknown)
    )
    unsure = session.scalar(statement)
    if unsure is None:
        raise UnderWay
    return Attempt(attempt_id, account_id, bool(unsure))


def end(session: Session, vault: WorkerVault, attempt: Attempt, now: datetime, *, unknown: bool) -> None:
    """End an attempt; `unknown`: nobody can say whether the store has changed the password."""
    mine = (PasswordAttempt.account_key == _key(vault, attempt.account_id)) & (
        PasswordAttempt.attempt == attempt.id
    )
    if unknown:
        session.execute(update(PasswordAttempt).where(mine).values(_resting(now)))
    else:
        session.execute(delete(PasswordAttempt).where(mine))


def lost(session: Session, vault: WorkerVault, now: datetime, limit: int) -> list[Lost]:
    """Note that what became of expired attempts is unknown, and return them; their links stay open."""
    expired = (PasswordAttempt.until <= now) & PasswordAttempt.attempt.is_not(None)
    rows = session.execute(
        select(PasswordAttempt.account_key, PasswordAttempt.account)
        .where(expired)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    keys = [row.account_key for row in rows]
    session.execute(
        update(PasswordAttempt).where(PasswordAttempt.account_key.in_(keys), expired).values(_resting(now))
    )
    return list(_opened(vault, ((row.account_key, row.account) for row in rows)))


def any_over(session: Session, now: datetime) -> bool:
    """Return whether a lease has ended, or something unknown is to be forgotten."""
    over = PasswordAttempt.until <= now
    return session.scalar(select(PasswordAttempt.account_key).where(over).limit(1)) is not None


def purge(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Delete up to `limit` rows about what is unknown since over a week; return how many."""
    old = (PasswordAttempt.until <= now) & PasswordAttempt.attempt.is_(None)
    return delete_some(session, PasswordAttempt, old, limit)


def _resting(now: datetime) -> dict[str, object]:
    # A day: the exact time would say when the account's owner was here.
    return {"attempt": None, "unknown": True, "until": start_of_day(now + UNKNOWN_KEPT)}


def _opened(vault: WorkerVault, rows: Iterable[tuple[bytes, bytes]]) -> Iterable[Lost]:
    for key, account in rows:
        try:
            account_id, store_id = json.loads(vault.decrypt(_cell(key), account))
        except VaultError:
            log.error(
                "reset: an attempt at a new password was altered in the database; its account is not known"
            )
            continue
        yield Lost(bytes.fromhex(account_id), store_id)


def _key(vault: WorkerVault, account_id: bytes) -> bytes:
    return vault.list_index("password attempt", account_id.hex())


def _cell(key: bytes) -> Cell:
    return Cell("reset_attempts", "account", key)
