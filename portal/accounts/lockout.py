"""Count consecutive sign-in failures per address, so that the table alone reveals nothing about anyone.

Someone who tries to sign in with an address knows when and how often they did. No value in a row may let them
recognise that address in a stolen database. So an address keeps one row whatever becomes of its account, the
row's name is keyed, each count is stored as a keyed hash of the number, and the only time stored is the same
for a whole month of attempts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Executable, bindparam, case, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.accounts.models import FailureCount
from portal.core import db
from portal.crypto.vault import WebVault, WorkerVault
from portal.identity import state
from portal.runtime.turns import MOST_ROWS, delete_some

# At most 100 consecutive failures per password (NIST SP 800-63B-4, section 3.2.2). Strangers, known devices
# and sessions that re-enter the password each have their own bucket, so that strangers cannot use up the
# owner's.
STRANGERS = 60
DEVICES = 20
SESSIONS = 20
RETENTION = timedelta(days=90)
MONTH = timedelta(days=30)
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_PAGE = 500

Bucket = InstrumentedAttribute[bytes]
MAX_FAILURES: dict[Bucket, int] = {
    FailureCount.strangers: STRANGERS,
    FailureCount.devices: DEVICES,
    FailureCount.sessions: SESSIONS,
}
_BUCKETS = {column.key: column for column in MAX_FAILURES}
_TABLE: Any = FailureCount.__table__


@dataclass(frozen=True, repr=False)
class Lockout:
    """The failure counts of one address at one account version; a new password resets every count."""

    name: bytes
    version: int

    def keyed_count(self, vault: WebVault, bucket: Bucket, failures: int) -> bytes:
        """Return the keyed hash that stores this number of failures, in this row and bucket only."""
        return vault.bucket("sign-in failures", self.name.hex(), str(self.version), bucket.key, str(failures))


def lockout_of(vault: WebVault, index: bytes, version: int) -> Lockout:
    """Return the lockout of an account index (`vault.account_index`) at an account version."""
    return Lockout(_name(vault, index), version)


def count(session: Session, vault: WebVault, lockout: Lockout, bucket: Bucket, now: datetime) -> int | None:
    """Count a failure and return how many more the bucket allows, or None when it was full before."""
    counts = _keyed_counts(vault, lockout, bucket)
    none = {
        f"no_{column.key}": lockout.keyed_count(vault, column, 0)
        for column in MAX_FAILURES
        if column is not bucket
    }
    values = {"name": lockout.name, "until": forget_at(now), **none, **_named(counts)}
    stored = session.scalar(_counting(session.get_bind().dialect.name, bucket.key), values)
    return None if stored is None else MAX_FAILURES[bucket] - counts.index(bytes(stored))


def full(session: Session, vault: WebVault, lockout: Lockout, bucket: Bucket) -> bool:
    """Return whether a bucket allows no more failures."""
    stored = session.scalar(select(bucket).where(FailureCount.key == lockout.name))
    return stored is not None and bytes(stored) == _keyed_counts(vault, lockout, bucket)[-1]


def forgive(session: Session, vault: WebVault, lockout: Lockout, bucket: Bucket) -> None:
    """Undo one counted failure."""
    counts = _keyed_counts(vault, lockout, bucket)
    session.execute(_forgiving(bucket.key), {"name": lockout.name, **_named(counts)})


def clear(session: Session, vault: WebVault, lockout: Lockout, bucket: Bucket) -> None:
    """Reset one bucket to zero; the other buckets keep their counts."""
    none = lockout.keyed_count(vault, bucket, 0)
    session.execute(_clearing(bucket.key), {"name": lockout.name, "none": none})


def forget_at(now: datetime) -> datetime:
    """Return when counts last changed at `now` expire: one time for all attempts within 30 days."""
    return _EPOCH + ((now - _EPOCH) // MONTH + 1) * MONTH + RETENTION


def any_expired(session: Session, now: datetime) -> bool:
    """Return whether any counts have expired."""
    expired = select(FailureCount.key).where(FailureCount.forget_at < now)
    return session.scalar(expired.limit(1)) is not None


def expired_of_accounts(session: Session, vault: WorkerVault, now: datetime) -> Iterator[list[bytes]]:
    """Yield the names of expired counts whose address has an account, up to 500 at a time."""
    after: bytes | None = None
    ended = False
    while not ended:
        indexes, after = state.indexes(session, vault, after, _PAGE)
        ended = after is None
        names = [_name(vault, index) for index in indexes]
        old = select(FailureCount.key).where(FailureCount.key.in_(names), FailureCount.forget_at < now)
        if found := list(session.scalars(old)):
            yield found


def extend(session: Session, names: Sequence[bytes], now: datetime) -> None:
    """Extend counts as if an attempt had just been made, so that an old row does not reveal an account."""
    session.execute(update(FailureCount).where(FailureCount.key.in_(names)).values(forget_at=forget_at(now)))


def remove_expired(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Remove up to `limit` expired counts; return how many."""
    return delete_some(session, FailureCount, FailureCount.forget_at < now, limit)


def _name(vault: WebVault, index: bytes) -> bytes:
    return vault.bucket("sign-in door", index.hex())


def _keyed_counts(vault: WebVault, lockout: Lockout, bucket: Bucket) -> list[bytes]:
    return [lockout.keyed_count(vault, bucket, failures) for failures in range(MAX_FAILURES[bucket] + 1)]


def _named(counts: Sequence[bytes]) -> dict[str, bytes]:
    return {f"failed_{failures}": keyed for failures, keyed in enumerate(counts)}


# Built once: with a parameter for each failure that a bucket allows, building them takes milliseconds.
@cache
def _counting(dialect: str, bucket: str) -> Executable:
    """Return the statement that counts a failure, and returns what is stored unless the bucket was full."""
    column, most = _TABLE.c[bucket], MAX_FAILURES[_BUCKETS[bucket]]
    first: dict[str, Any] = {
        name: bindparam("failed_1" if name == bucket else f"no_{name}") for name in _BUCKETS
    }
    # An unknown keyed count belongs to an earlier account version: this is the first failure.
    following = _step(column, range(most), 1, otherwise=bindparam("failed_1"))
    return (
        db.insert_by(dialect, _TABLE)
        .values({_TABLE.c.door: bindparam("name"), _TABLE.c.forget_at: bindparam("until"), **first})
        .on_conflict_do_update(
            index_elements=[_TABLE.c.door],
            set_={bucket: following, "forget_at": bindparam("until")},
            where=column != bindparam(f"failed_{most}"),
        )
        .returning(column)
    )


@cache
def _forgiving(bucket: str) -> Executable:
    """Return the statement that undoes one failure."""
    column, most = _TABLE.c[bucket], MAX_FAILURES[_BUCKETS[bucket]]
    former = _step(column, range(1, most + 1), -1, otherwise=column)
    return update(_TABLE).where(_TABLE.c.door == bindparam("name")).values({bucket: former})


@cache
def _clearing(bucket: str) -> Executable:
    return update(_TABLE).where(_TABLE.c.door == bindparam("name")).values({bucket: bindparam("none")})


def _step(column: Any, failures: Sequence[int], by: int, *, otherwise: Any) -> Any:
    """Return an SQL expression that maps the stored count of so many failures to its neighbour.

    It runs inside the UPDATE, so that each of several parallel attempts moves the count by one.
    """
    steps: Any = ((column == bindparam(f"failed_{one}"), bindparam(f"failed_{one + by}")) for one in failures)
    return case(*steps, else_=otherwise)
