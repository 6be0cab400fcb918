"""Doors: how many failures in a row one address has had, so kept that the table alone tells nothing about anybody.

Whoever tries to sign in with an address knows when they did, and how often. So nothing in a row may be recognised
again in a stolen database: an address has one row, whatever becomes of its account; the row's name is keyed, each
count is a keyed word instead of a number, and the only time in it is that of the whole month.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import case, delete, func, literal, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.accounts.models import FailureCount
from portal.core import db
from portal.crypto.vault import WebVault
from portal.identity.port import Store

# At most 100 consecutive failures per password (NIST SP 800-63B-4, 3.2.2). Strangers, known devices and
# sessions that are asked for the password once more have shares of their own, so that strangers cannot use up
# the owner's.
STRANGERS = 60
DEVICES = 20
SESSIONS = 20
KEPT = timedelta(days=90)
MONTH = timedelta(days=30)
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_PAGE = 500

Bucket = InstrumentedAttribute[bytes]
MOST_FAILURES: dict[Bucket, int] = {
    FailureCount.strangers: STRANGERS,
    FailureCount.devices: DEVICES,
    FailureCount.sessions: SESSIONS,
}


@dataclass(frozen=True, repr=False)
class Lockout:
    """The door of one address, for one version of its account: a new password begins every count anew."""

    name: bytes
    version: int

    def keyed_count(self, vault: WebVault, bucket: Bucket, failures: int) -> bytes:
        """Return what stands for so many failures, in this row alone."""
        return vault.bucket("sign-in failures", self.name.hex(), str(self.version), bucket.key, str(failures))


def lockout_of(vault: WebVault, index: bytes, version: int) -> Lockout:
    """Return the door of an account's index."""
    return Lockout(_name(vault, index), version)


def count(session: Session, vault: WebVault, lockout: Lockout, bucket: Bucket, now: datetime) -> bool:
    """Count a failure at the door and return True, or return False where its bucket is used up already."""
    counts = [lockout.keyed_count(vault, bucket, failures) for failures in range(MOST_FAILURES[bucket] + 1)]
    first = {
        column.key: counts[1] if column is bucket else lockout.keyed_count(vault, column, 0)
        for column in MOST_FAILURES
    }
    until = forget_at(now)
    statement = (
        db.insert(session, FailureCount)
        .values(key=lockout.name, forget_at=until, **first)
        .on_conflict_do_update(
            index_elements=[FailureCount.key],
            # A word that is none of these belongs to an earlier version of the account.
            set_={bucket.key: _step(bucket, counts[:-1], counts[1:], counts[1]), "forget_at": until},
            where=bucket != counts[-1],
        )
        .returning(bucket)
    )
    return session.execute(statement).first() is not None


def forgive(session: Session, vault: WebVault, lockout: Lockout, bucket: Bucket) -> None:
    """Take back one failure."""
    counts = [lockout.keyed_count(vault, bucket, failures) for failures in range(MOST_FAILURES[bucket] + 1)]
    session.execute(
        update(FailureCount)
        .where(FailureCount.key == lockout.name)
        .values({bucket: _step(bucket, counts[1:], counts[:-1], bucket)})
    )


def clear(session: Session, vault: WebVault, lockout: Lockout, bucket: Bucket) -> None:
    """Forget the failures of one bucket; the others still count."""
    none = lockout.keyed_count(vault, bucket, 0)
    session.execute(update(FailureCount).where(FailureCount.key == lockout.name).values({bucket: none}))


def forget_at(now: datetime) -> datetime:
    """Return when a door tried now may be forgotten: the same for everyone who tries within thirty days."""
    return _EPOCH + ((now - _EPOCH) // MONTH + 1) * MONTH + KEPT


def any_old(session: Session, now: datetime) -> bool:
    """Tell whether there are doors that nobody tried for long."""
    return session.scalar(select(func.count()).where(FailureCount.forget_at < now)) != 0


def old_of_accounts(session: Session, vault: WebVault, store: Store, now: datetime) -> Iterator[list[bytes]]:
    """Yield the old doors where an account is, some hundreds at a time: these stay counted."""
    after: bytes | None = None
    while indexes := store.all_indexes(session, after, _PAGE):
        names = [_name(vault, index) for index in indexes]
        old = select(FailureCount.key).where(FailureCount.key.in_(names), FailureCount.forget_at < now)
        if found := list(session.scalars(old)):
            yield found
        after = indexes[-1]


def postpone(session: Session, names: Sequence[bytes], now: datetime) -> None:
    """Keep doors as if they had just been tried, so that an old one does not show that there is an account."""
    session.execute(update(FailureCount).where(FailureCount.key.in_(names)).values(forget_at=forget_at(now)))


def remove_old(session: Session, now: datetime) -> bool:
    """Forget some hundreds of the doors that nobody tried for long; False where there was none."""
    names = list(session.scalars(select(FailureCount.key).where(FailureCount.forget_at < now).limit(_PAGE)))
    session.execute(delete(FailureCount).where(FailureCount.key.in_(names), FailureCount.forget_at < now))
    return bool(names)


def _name(vault: WebVault, index: bytes) -> bytes:
    return vault.bucket("sign-in door", index.hex())


def _step(bucket: Bucket, before: Sequence[bytes], after: Sequence[bytes], otherwise: Any) -> Any:
    """Return the word that follows the one in the row, in one statement: tries in parallel each take a step."""
    steps = ((bucket == one, literal(other)) for one, other in zip(before, after, strict=True))
    return case(*steps, else_=otherwise)
