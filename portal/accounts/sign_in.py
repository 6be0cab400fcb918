"""Throttle and count sign-in attempts.

Every attempt is counted before the password is checked, so that parallel attempts cannot outrun the count,
and the same statements run whether or not an account exists. The server never sleeps: an attempt that comes
too early is refused with the number of seconds to wait.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from math import ceil
from typing import Any

from sqlalchemy import Executable, bindparam, case, delete, select, update
from sqlalchemy.orm import Session

from portal.accounts import lockout, service
from portal.accounts.lockout import Bucket, Lockout
from portal.accounts.models import FailureCount, SignInWait
from portal.accounts.service import Resumed
from portal.core import db
from portal.core.db import Utc
from portal.crypto.vault import WebVault
from portal.identity.account import Account
from portal.runtime.turns import MOST_ROWS, delete_some
from portal.web import limits

FREE_TRIES = 3
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=15)
_DOUBLINGS = 8
WAIT_RETENTION = timedelta(days=1)
# From the last failure without a wait to the first with the longest one.
_FAILURES = range(FREE_TRIES - 1, FREE_TRIES + _DOUBLINGS + 1)
_WAITS: Any = SignInWait.__table__
_FORGET = delete(_WAITS).where(_WAITS.c.bucket == bindparam("source"))


@dataclass(frozen=True, repr=False)
class Attempt:
    """A counted sign-in attempt.

    `retry_after`, in seconds, is not 0 when this network or device must wait: the password is not checked.
    `open` is False after too many failures: the password is checked but cannot sign in until it is replaced.
    `closes` is True for the one attempt that, unless it succeeds, closes sign-in to all unknown browsers.
    """

    lockout: Lockout
    bucket: bytes
    by_device: bool
    retry_after: int = 0
    open: bool = False
    closes: bool = False


def wait_after(failures: int) -> timedelta:
    """Return how long attempts are refused after this many consecutive failures."""
    if failures < FREE_TRIES:
        return timedelta()
    doublings = min(failures - FREE_TRIES, _DOUBLINGS)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


def count_attempt(
    session: Session,
    vault: WebVault,
    *,
    address: str,
    account: Account | None,
    network: str,
    device_cookie: str | None,
    limit: str,
    now: datetime,
) -> Attempt:
    """Count an attempt to sign in with a normalised address, before its password is checked."""
    index = vault.account_index(address)
    version = account.version if account else 1
    device = service.known_device(vault, device_cookie, account.id if account else index, version)
    source = ("device", device) if device else ("network", network)
    # A wait does not end with a new password: an observer would learn that the account exists and changed.
    bucket = vault.bucket("sign-in wait", index.hex(), *source)
    attempt = Attempt(lockout.lockout_of(vault, index, version), bucket, bool(device))
    decision = limits.hit(session, vault, limit, "sign-in", *source, now=now)
    retry_after = decision.retry_after or _start_wait(session, bucket, now)
    if retry_after:
        return replace(attempt, retry_after=retry_after)
    left = lockout.count(session, vault, attempt.lockout, _bucket(attempt), now)
    return replace(attempt, open=left is not None, closes=left == 0 and not attempt.by_device)


def forgive(session: Session, vault: WebVault, attempt: Attempt, now: datetime) -> None:
    """Undo the count of an attempt whose password was not checked."""
    lockout.forgive(session, vault, attempt.lockout, _bucket(attempt))
    session.execute(
        update(SignInWait)
        .where(SignInWait.bucket == attempt.bucket, SignInWait.failures > 0)
        .values(failures=SignInWait.failures - 1, refuse_until=now)
    )


def clear(session: Session, vault: WebVault, attempt: Attempt) -> None:
    """Reset the failures of this attempt's network or device after it succeeded; others still count."""
    lockout.clear(session, vault, attempt.lockout, _bucket(attempt))
    session.execute(_FORGET, {"source": attempt.bucket})


def count_in_session(session: Session, vault: WebVault, current: Resumed, now: datetime) -> bool:
    """Count an attempt to re-enter the password while signed in, before the password is checked.

    Returns False when the session or the account's `sessions` bucket has no attempts left: end the session.
    """
    if not service.count_password_try(session, current.session_id):
        return False
    lockout_of_session = _lockout_of_session(vault, current)
    return lockout.count(session, vault, lockout_of_session, FailureCount.sessions, now) is not None


def forgive_in_session(session: Session, vault: WebVault, current: Resumed) -> None:
    """Undo the count of an attempt while signed in whose password was not checked."""
    service.forgive_password_try(session, current.session_id)
    lockout.forgive(session, vault, _lockout_of_session(vault, current), FailureCount.sessions)


def clear_in_session(session: Session, vault: WebVault, current: Resumed) -> None:
    """Reset the failures of this session and of the `sessions` bucket after a correct password."""
    service.clear_password_tries(session, current.session_id)
    lockout.clear(session, vault, _lockout_of_session(vault, current), FailureCount.sessions)


def needs_known_device(session: Session, vault: WebVault, address: str, version: int) -> bool:
    """Return whether only browsers that an account knows can sign in, so that making one known helps."""
    counts = lockout.lockout_of(vault, vault.account_index(address), version)
    return lockout.full(session, vault, counts, FailureCount.strangers) and not lockout.full(
        session, vault, counts, FailureCount.devices
    )


def purge(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Remove up to `limit` waits that were last used over a day ago; return how many."""
    return delete_some(session, SignInWait, SignInWait.tried_at < now - WAIT_RETENTION, limit)


def _bucket(attempt: Attempt) -> Bucket:
    return FailureCount.devices if attempt.by_device else FailureCount.strangers


def _lockout_of_session(vault: WebVault, current: Resumed) -> Lockout:
    return lockout.lockout_of(vault, vault.account_index(current.address), current.account.version)


def _start_wait(session: Session, bucket: bytes, now: datetime) -> int:
    """Count a failure, start the next wait and return 0, or return the seconds left of the last wait."""
    values = {
        "source": bucket,
        "now": now,
        "overlong": now + LONGEST_WAIT,
        **{f"after_{failures}": now + wait_after(failures) for failures in _FAILURES},
    }
    statement = _waiting(session.get_bind().dialect.name)
    if session.execute(statement, values).first() is not None:
        return 0
    until = session.scalar(select(SignInWait.refuse_until).where(SignInWait.bucket == bucket))
    return max(1, ceil((until - now).total_seconds())) if until else 1


@cache
def _waiting(dialect: str) -> Executable:
    """Return the statement that counts a failure and starts the next wait, unless there is one already.

    Built once, like those of `lockout.py`.
    """
    known = _WAITS.c
    waits = [(failures, bindparam(f"after_{failures}", type_=Utc())) for failures in _FAILURES]
    following = [(known.failures + 1 <= failures, until) for failures, until in waits[:-1]]
    now, overlong = bindparam("now", type_=Utc()), bindparam("overlong", type_=Utc())
    return (
        db.insert_by(dialect, _WAITS)
        .values(bucket=bindparam("source"), failures=1, refuse_until=waits[0][1], tried_at=now)
        .on_conflict_do_update(
            index_elements=[known.bucket],
            set_={
                "failures": known.failures + 1,
                "refuse_until": case(*following, else_=waits[-1][1]),
                "tried_at": now,
            },
            # A wait that ends later than the longest possible one was set while the clock was wrong.
            where=(known.refuse_until <= now) | (known.refuse_until > overlong),
        )
        .returning(known.failures)
    )
