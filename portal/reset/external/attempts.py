"""Attempts to store a new password outside the database: one per account at a time, and none forgotten.

An attempt is a row with a lease, committed before the store is called. A link is spent only when its attempt
ends well, so a worker that is killed loses no link. Where nobody can say whether the store changed the
password, the row says so: the same password, typed again, is then no repetition of an old one. The row also
stays until the store has ended the account's sessions.
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, or_, select, update
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
# After which the store is asked again to end an account's sessions: a minute, twice as long each time, at
# most an hour; about a week in all.
FIRST_SIGN_OUT, LONGEST_SIGN_OUT = timedelta(minutes=1), timedelta(hours=1)
MOST_SIGN_OUTS = 180
_SIZES = (512, 1536)
_TABLE: Any = PasswordAttempt.__table__
_MINE = (_TABLE.c.account_key == bindparam("key")) & (_TABLE.c.attempt == bindparam("mine"))
_END = delete(_TABLE).where(_MINE)
_SIGNING_OUT = (
    update(_TABLE)
    .where(_MINE, _TABLE.c.sign_outs.is_not(None))
    .values(attempt=None, unknown=bindparam("unsure"), until=bindparam("over"))
)


class UnderWay(Exception):
    """Another attempt for this account is under way."""


@dataclass(frozen=True, repr=False)
class Attempt:
    """An attempt that has begun, with a lease. `unsure`: what became of an earlier one was never known."""

    id: bytes
    account_id: bytes
    unsure: bool
    until: datetime


@dataclass(frozen=True, repr=False)
class Whose:
    """The account of an attempt: the portal's id of it, and the store's."""

    account_id: bytes
    store_id: str


@dataclass(frozen=True, repr=False)
class SignOut(Whose):
    """Sessions that the company's store has yet to end; `until` tells this from a later attempt's."""

    until: datetime
    asked: int = 0


def begin(
    session: Session, vault: WorkerVault, attempt_id: bytes, account_id: bytes, store_id: str, now: datetime
) -> Attempt:
    """Begin an attempt, for which the account must have no other. Raises UnderWay. Commit it at once."""
    key, until = _key(vault, account_id), now + LEASE
    account = json.dumps([account_id.hex(), store_id], ensure_ascii=False).encode()
    values = {
        "account_key": key,
        "attempt": attempt_id,
        "account": vault.encrypt(_cell(key), account, _SIZES),
        "unknown": False,
        "until": until,
    }
    statement = _beginning(session.get_bind().dialect.name)
    unsure = session.connection().execute(statement, values | {"now": now}).scalar()
    if unsure is None:
        raise UnderWay
    return Attempt(attempt_id, account_id, bool(unsure), until)


@cache
def _beginning(dialect: str) -> Any:
    """Return the statement of `begin`, built once: a person waits for it."""
    statement = db.insert_by(dialect, PasswordAttempt)
    own = PasswordAttempt
    new = {name: statement.excluded[name] for name in ("attempt", "account", "until")}
    return statement.on_conflict_do_update(
        index_elements=[own.account_key],
        # One whose lease has ended was its worker's last: what became of it is not known.
        set_=new | {"unknown": or_(own.unknown, own.attempt.is_not(None))},
        where=own.attempt.is_(None) | (own.until <= bindparam("now", type_=db.Utc())),
    ).returning(own.unknown)


def end(session: Session, vault: WorkerVault, attempt: Attempt, now: datetime, *, unknown: bool) -> None:
    """End an attempt; `unknown`: nobody can say whether the store has changed the password."""
    mine = {"key": _key(vault, attempt.account_id), "mine": attempt.id}
    session.execute(_SIGNING_OUT, mine | {"unsure": unknown, "over": now})
    if unknown:
        session.execute(update(_TABLE).where(_MINE).values(_resting(now)), mine)
    else:
        session.execute(_END, mine)


def end_with_sign_out(
    session: Session, vault: WorkerVault, attempt: Attempt, store_id: str, now: datetime, *, unknown: bool
) -> SignOut:
    """End an attempt after which the store must end the account's sessions, until `signed_out` says so."""
    until = now + FIRST_SIGN_OUT
    values = _signing_out(until, unknown) | {"sign_outs": 0}
    session.execute(update(PasswordAttempt).where(_mine(vault, attempt)).values(values))
    return SignOut(attempt.account_id, store_id, until)


def signed_out(session: Session, vault: WorkerVault, done: SignOut, now: datetime) -> None:
    """Note that the store has ended an account's sessions, unless a later attempt asks for it anew."""
    own = PasswordAttempt
    mine = (own.account_key == _key(vault, done.account_id)) & (own.until == done.until)
    mine &= own.attempt.is_(None) & own.sign_outs.is_not(None)
    session.execute(delete(own).where(mine, own.unknown.is_(False)))
    session.execute(update(own).where(mine).values(_resting(now)))


def due_sign_outs(session: Session, vault: WorkerVault, now: datetime, limit: int) -> list[SignOut]:
    """Return whose sessions the store must be asked once more to end, and put the next time off."""
    own = PasswordAttempt
    due = own.attempt.is_(None) & (own.until <= now) & own.sign_outs.is_not(None)
    rows = session.execute(
        select(own.account_key, own.account, own.sign_outs)
        .where(due)
        .order_by(own.until)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    found = []
    for row in rows:
        asked = row.sign_outs + 1
        until = now + min(FIRST_SIGN_OUT * 2 ** min(asked, 10), LONGEST_SIGN_OUT)
        mine = update(own).where(own.account_key == row.account_key)
        session.execute(mine.values(sign_outs=asked, until=until))
        found += [
            SignOut(each.account_id, each.store_id, until, asked)
            for each in _opened(vault, [(row.account_key, row.account)])
        ]
    return found


def lost(session: Session, vault: WorkerVault, now: datetime, limit: int) -> list[Whose]:
    """Note that what became of expired attempts is unknown, and return them; their links stay open.

    The store must end their accounts' sessions, too.
    """
    expired = (PasswordAttempt.until <= now) & PasswordAttempt.attempt.is_not(None)
    rows = session.execute(
        select(PasswordAttempt.account_key, PasswordAttempt.account)
        .where(expired)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    keys = [row.account_key for row in rows]
    session.execute(
        update(PasswordAttempt)
        .where(PasswordAttempt.account_key.in_(keys), expired)
        .values(_signing_out(now, unknown=True) | {"sign_outs": 0})
    )
    return list(_opened(vault, ((row.account_key, row.account) for row in rows)))


def any_over(session: Session, now: datetime) -> bool:
    """Return whether a lease has ended, or something unknown is to be forgotten."""
    over = PasswordAttempt.until <= now
    return session.scalar(select(PasswordAttempt.account_key).where(over).limit(1)) is not None


def purge(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Delete up to `limit` rows about what is unknown since over a week; return how many.

    Also those of sessions that no store was asked to end for as long.
    """
    own = PasswordAttempt
    over = (own.until <= now) & own.sign_outs.is_(None) | (own.until <= now - UNKNOWN_KEPT)
    old = own.attempt.is_(None) & over
    return delete_some(session, PasswordAttempt, old, limit)


def _resting(now: datetime) -> dict[str, object]:
    # A day: the exact time would say when the account's owner was here.
    return {
        "attempt": None,
        "unknown": True,
        "sign_outs": None,
        "until": start_of_day(now + UNKNOWN_KEPT),
    }


def _signing_out(until: datetime, unknown: bool) -> dict[str, object]:
    return {"attempt": None, "unknown": unknown, "until": until}


def _mine(vault: WorkerVault, attempt: Attempt) -> ColumnElement[bool]:
    account_key = _key(vault, attempt.account_id)
    return (PasswordAttempt.account_key == account_key) & (PasswordAttempt.attempt == attempt.id)


def _opened(vault: WorkerVault, rows: Iterable[tuple[bytes, bytes]]) -> Iterable[Whose]:
    for key, account in rows:
        try:
            account_id, store_id = json.loads(vault.decrypt(_cell(key), account))
        except VaultError:
            log.error(
                "reset: an attempt at a new password was altered in the database; its account is not known"
            )
            continue
        yield Whose(bytes.fromhex(account_id), store_id)


def forget(session: Session, vault: WorkerVault, account_id: bytes) -> None:
    """Forget what became of attempts of an account; one that is under way stays with its worker."""
    own = PasswordAttempt
    mine = (own.account_key == _key(vault, account_id)) & own.attempt.is_(None)
    session.execute(delete(own).where(mine))


def _key(vault: WorkerVault, account_id: bytes) -> bytes:
    return vault.list_index("password attempt", account_id.hex())


def _cell(key: bytes) -> Cell:
    return Cell("reset_attempts", "account", key)
