"""Sign-in: who may try now, what a try costs, and what becomes of it.

Every try is counted before the password is looked at, so that tries in parallel cannot outrun the count, and
the same statements run whether there is an account or not. Nobody sleeps: who is too early is told when to
come back.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import case, delete, literal, select, update
from sqlalchemy.orm import Session

from portal.accounts import lockout, service
from portal.accounts.lockout import Bucket, Lockout
from portal.accounts.models import FailureCount, SignInWait
from portal.core import db
from portal.core.db import Utc
from portal.crypto.hashing import Hasher, PasswordTooLong
from portal.crypto.vault import WebVault
from portal.identity.port import Account, Store
from portal.web import limits

FREE_TRIES = 3
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=15)
_DOUBLINGS = 8
WAITS_KEPT = timedelta(days=1)


@dataclass(frozen=True, repr=False)
class Attempt:
    """One try that was counted.

    `retry_after` is not 0 where this network or device came too early, in seconds: the password is not looked
    at. `open` is False where there were too many failures: the password is looked at and does not sign in,
    until there is a new one.
    """

    lockout: Lockout
    bucket: bytes
    by_device: bool
    account: Account | None
    dummy_hash: str | None
    retry_after: int = 0
    open: bool = False


def wait_after(failures: int) -> timedelta:
    """Return how long the next try is refused after so many failures in a row."""
    if failures < FREE_TRIES:
        return timedelta()
    doublings = min(failures - FREE_TRIES, _DOUBLINGS)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


def register_attempt(
    session: Session,
    vault: WebVault,
    store: Store,
    *,
    address: str,
    network: str,
    device_cookie: str | None,
    limit: str,
    now: datetime,
) -> Attempt:
    """Count a try to sign in with a normalised address."""
    account = store.find(session, vault, address)
    dummy_hash = store.dummy_hash(session, vault, address)
    index = vault.account_index(address)
    version = account.version if account else 1
    device = service.known_device(vault, device_cookie, account.id if account else index, version)
    source = ("device", device) if device else ("network", network)
    # A wait outlives a new password: if it ended then, a watcher would learn of the account and of its
    # change.
    bucket = vault.bucket("sign-in wait", index.hex(), *source)
    attempt = Attempt(lockout.lockout_of(vault, index, version), bucket, bool(device), account, dummy_hash)
    decision = limits.hit(session, vault, limit, "sign-in", *source, now=now)
    retry_after = decision.retry_after or _take_turn(session, bucket, now)
    if retry_after:
        return replace(attempt, retry_after=retry_after)
    return replace(attempt, open=lockout.count(session, vault, attempt.lockout, _bucket(attempt), now))


def check(hasher: Hasher, attempt: Attempt, password: str) -> bool:
    """Tell whether the password signs in; outside any transaction. Every failure takes the same time.

    Raises TooBusy.
    """
    account = attempt.account
    if attempt.retry_after:
        return False
    try:
        if account is None:
            return hasher.verify_dummy(password, attempt.dummy_hash)
        fits = hasher.verify(account.password_hash, password)
    except PasswordTooLong:
        return False
    return fits and attempt.open and not account.must_reset


def forgive(session: Session, vault: WebVault, attempt: Attempt, now: datetime) -> None:
    """Take back a try whose password was not looked at."""
    lockout.forgive(session, vault, attempt.lockout, _bucket(attempt))
    session.execute(
        update(SignInWait)
        .where(SignInWait.bucket == attempt.bucket, SignInWait.failures > 0)
        .values(failures=SignInWait.failures - 1, refuse_until=now)
    )


def clear(session: Session, vault: WebVault, attempt: Attempt) -> None:
    """Forget the failures that came the same way as a try that succeeded; the others still count."""
    lockout.clear(session, vault, attempt.lockout, _bucket(attempt))
    session.execute(delete(SignInWait).where(SignInWait.bucket == attempt.bucket))


def count_in_session(session: Session, vault: WebVault, address: str, version: int, now: datetime) -> bool:
    """Count a try at the password in a session, whichever; False where the account's sessions used up their share."""
    return lockout.count(session, vault, _lockout(vault, address, version), FailureCount.sessions, now)


def forgive_in_session(session: Session, vault: WebVault, address: str, version: int) -> None:
    """Take back a try in a session whose password was not looked at."""
    lockout.forgive(session, vault, _lockout(vault, address, version), FailureCount.sessions)


def clear_in_session(session: Session, vault: WebVault, address: str, version: int) -> None:
    """Forget the failures in sessions, after a right password."""
    lockout.clear(session, vault, _lockout(vault, address, version), FailureCount.sessions)


def purge(session: Session, now: datetime) -> None:
    """Forget the waits that are long over."""
    session.execute(delete(SignInWait).where(SignInWait.tried_at < now - WAITS_KEPT))


def _bucket(attempt: Attempt) -> Bucket:
    return FailureCount.devices if attempt.by_device else FailureCount.strangers


def _lockout(vault: WebVault, address: str, version: int) -> Lockout:
    return lockout.lockout_of(vault, vault.account_index(address), version)


def _take_turn(session: Session, bucket: bytes, now: datetime) -> int:
    """Count a failure at the bucket, set its next wait and return 0; or return how long the last one still lasts."""
    failures = SignInWait.failures + 1
    steps = range(FREE_TRIES, FREE_TRIES + _DOUBLINGS + 1)
    next_wait = case(
        *((failures < step, _time(now + wait_after(step - 1))) for step in steps),
        else_=_time(now + LONGEST_WAIT),
    )
    values = {"bucket": bucket, "failures": 1, "refuse_until": now + wait_after(1), "tried_at": now}
    statement = (
        db.insert(session, SignInWait)
        .values(**values)
        .on_conflict_do_update(
            index_elements=[SignInWait.bucket],
            set_={"failures": failures, "refuse_until": next_wait, "tried_at": now},
            # No wait is longer than the longest: one that ends later was set while the clock was wrong.
            where=(SignInWait.refuse_until <= now) | (SignInWait.refuse_until > now + LONGEST_WAIT),
        )
        .returning(SignInWait.failures)
    )
    if session.execute(statement).first() is not None:
        return 0
    until = session.scalar(select(SignInWait.refuse_until).where(SignInWait.bucket == bucket))
    return max(1, ceil((until - now).total_seconds())) if until else 1


def _time(at: datetime) -> Any:
    return literal(at, Utc())
