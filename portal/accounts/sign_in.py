"""Sign-in: who may try now, what a try costs, and what becomes of it.

Every try is counted before the password is looked at, so that tries in parallel cannot outrun the count, and the
same statements run whether there is an account or not. Nobody sleeps: who is too early is told when to come back.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import case, delete, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.accounts import devices
from portal.accounts.models import SignInDoor, SignInWait
from portal.identity.hashing import Hasher, PasswordTooLong
from portal.identity.port import Account, Store
from portal.kit import ratelimit
from portal.kit.db import Utc
from portal.kit.vault import WebVault

# At most 100 consecutive failures per password (NIST SP 800-63B-4, 3.2.2). Strangers, known devices and sessions that
# are asked for the password once more have shares of their own, so that strangers cannot use up the owner's.
STRANGERS = 60
DEVICES = 20
SESSIONS = 20
FREE_TRIES = 3
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=15)
_DOUBLINGS = 8
WAITS_KEPT = timedelta(days=1)
DOORS_KEPT = timedelta(days=90)
_PAGE = 500
_MOST = {SignInDoor.strangers: STRANGERS, SignInDoor.devices: DEVICES, SignInDoor.sessions: SESSIONS}


@dataclass(frozen=True, repr=False)
class Try:
    """One try that was counted.

    `retry_after` is not 0 where this network or device came too early, in seconds: the password is not looked at.
    `open` is False where there were too many failures: the password is looked at and does not sign in, until
    there is a new one.
    """

    index: bytes
    version: int
    bucket: bytes
    by_device: bool
    account: Account | None
    stand_in: str | None
    retry_after: int = 0
    open: bool = False


def wait_after(failures: int) -> timedelta:
    """Return how long the next try is refused after so many failures in a row."""
    if failures < FREE_TRIES:
        return timedelta()
    doublings = min(failures - FREE_TRIES, _DOUBLINGS)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


def begin(
    session: Session,
    vault: WebVault,
    store: Store,
    *,
    address: str,
    network: str,
    device_cookie: str | None,
    limit: str,
    now: datetime,
) -> Try:
    """Count a try to sign in with a normalised address."""
    account = store.find(session, vault, address)
    stand_in = store.stand_in(session, vault, address)
    index = vault.account_index(address)
    version = account.version if account else 1
    device = devices.known_number(vault, device_cookie, account.id if account else index, version)
    source = ("device", device) if device else ("network", network)
    # A wait outlives a new password: if it ended then, a watcher would learn of the account and of its change.
    bucket = vault.bucket("sign-in wait", index.hex(), *source)
    attempt = Try(index, version, bucket, bool(device), account, stand_in)
    decision = ratelimit.hit(session, vault, limit, "sign-in", *source, now=now)
    retry_after = decision.retry_after or _take_turn(session, bucket, now)
    if retry_after:
        return replace(attempt, retry_after=retry_after)
    share = SignInDoor.devices if attempt.by_device else SignInDoor.strangers
    return replace(attempt, open=_count_at_door(session, index, version, share, now))


def check(hasher: Hasher, attempt: Try, password: str) -> bool:
    """Tell whether the password signs in; outside any transaction. Every failure takes the same time.

    Raises TooBusy.
    """
    account = attempt.account
    if attempt.retry_after:
        return False
    try:
        if account is None:
            return hasher.verify_nothing(password, attempt.stand_in)
        fits = hasher.verify(account.password_hash, password)
    except PasswordTooLong:
        return False
    return fits and attempt.open and not account.must_reset


def forgive(session: Session, attempt: Try, now: datetime) -> None:
    """Take back a try whose password was not looked at."""
    door = SignInDoor.devices if attempt.by_device else SignInDoor.strangers
    session.execute(update(SignInDoor).where(*_door(attempt), door > 0).values({door: door - 1}))
    session.execute(
        update(SignInWait)
        .where(SignInWait.bucket == attempt.bucket, SignInWait.failures > 0)
        .values(failures=SignInWait.failures - 1, refuse_until=now)
    )


def clear(session: Session, attempt: Try) -> None:
    """Forget the failures that came the same way as a try that succeeded; the others still count."""
    door = SignInDoor.devices if attempt.by_device else SignInDoor.strangers
    session.execute(update(SignInDoor).where(*_door(attempt)).values({door: 0}))
    session.execute(delete(SignInWait).where(SignInWait.bucket == attempt.bucket))


def count_in_session(session: Session, vault: WebVault, address: str, version: int, now: datetime) -> bool:
    """Count a try at the password in a session, whichever; False where the account's sessions used up their share."""
    return _count_at_door(session, vault.account_index(address), version, SignInDoor.sessions, now)


def clear_in_session(session: Session, vault: WebVault, address: str, version: int) -> None:
    """Forget the failures in sessions, after a right password."""
    door = (SignInDoor.account_index == vault.account_index(address)) & (SignInDoor.version == version)
    session.execute(update(SignInDoor).where(door).values(sessions=0))


def purge(session: Session, now: datetime) -> None:
    """Forget the waits that are long over."""
    session.execute(delete(SignInWait).where(SignInWait.tried_at < now - WAITS_KEPT))


def old_doors(session: Session, store: Store, now: datetime) -> Iterator[set[bytes]]:
    """Yield the indexes of old doors where no account is, some hundreds at a time; an account's stay counted."""
    old = select(SignInDoor.account_index).where(SignInDoor.tried_at < now - DOORS_KEPT).distinct()
    after = b""
    while True:
        page = old.where(SignInDoor.account_index > after).order_by(SignInDoor.account_index).limit(_PAGE)
        indexes = list(session.scalars(page))
        if not indexes:
            return
        if nobodys := set(indexes) - store.known(session, indexes):
            yield nobodys
        after = indexes[-1]


def remove_doors(session: Session, indexes: set[bytes]) -> None:
    """Forget doors."""
    session.execute(delete(SignInDoor).where(SignInDoor.account_index.in_(indexes)))


def _door(attempt: Try) -> tuple[Any, Any]:
    return SignInDoor.account_index == attempt.index, SignInDoor.version == attempt.version


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
        _insert(session, SignInWait)
        .values(**values)
        .on_conflict_do_update(
            index_elements=[SignInWait.bucket],
            set_={"failures": failures, "refuse_until": next_wait, "tried_at": now},
            where=SignInWait.refuse_until <= now,
        )
        .returning(SignInWait.failures)
    )
    if session.execute(statement).first() is not None:
        return 0
    until = session.scalar(select(SignInWait.refuse_until).where(SignInWait.bucket == bucket))
    return max(1, ceil((until - now).total_seconds())) if until else 1


def _count_at_door(
    session: Session, index: bytes, version: int, share: InstrumentedAttribute[int], now: datetime
) -> bool:
    """Count a failure at the door and return True, or return False where its share is used up already."""
    counts = {column.key: int(column is share) for column in _MOST}
    statement = (
        _insert(session, SignInDoor)
        .values(account_index=index, version=version, tried_at=now, **counts)
        .on_conflict_do_update(
            index_elements=[SignInDoor.account_index, SignInDoor.version],
            set_={share: share + 1, "tried_at": now},
            where=share < _MOST[share],
        )
        .returning(share)
    )
    return session.execute(statement).first() is not None


def _insert(session: Session, table: type[SignInDoor | SignInWait]) -> Any:
    dialect = session.get_bind().dialect.name
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def _time(at: datetime) -> Any:
    return literal(at, Utc())
