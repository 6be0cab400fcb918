"""Count rate limits in fixed windows, in the database that all web processes share."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from limits import RateLimitItem, parse
from sqlalchemy import LargeBinary, bindparam, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core.db import WITHOUT_ROWID, Base, Utc
from portal.crypto.vault import INDEX_BYTES, PageVault
from portal.runtime.parts import WorkerParts
from portal.runtime.turns import MOST_ROWS, delete_some, in_turns

_UPSERT = text(
    "INSERT INTO rate_buckets (bucket, hits, ends_at) VALUES (:bucket, 1, :ends_at) "
    "ON CONFLICT (bucket) DO UPDATE SET hits = rate_buckets.hits + 1 RETURNING hits"
).bindparams(bindparam("bucket", type_=LargeBinary()), bindparam("ends_at", type_=Utc()))


class RateBucket(Base):
    """The hits of one bucket in one window; `bucket` is a keyed hash: no network address is stored."""

    __tablename__ = "rate_buckets"
    __table_args__ = WITHOUT_ROWID

    bucket: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), primary_key=True)
    hits: Mapped[int]
    ends_at: Mapped[datetime] = mapped_column(Utc, index=True)


_HITS = select(RateBucket.hits).where(RateBucket.bucket == bindparam("name"))  # built once


@dataclass(frozen=True)
class Decision:
    """Whether a hit is within its limit; if not, `retry_after` is the seconds until the next window."""

    allowed: bool
    retry_after: int = 0


def hit(session: Session, vault: PageVault, limit: str, *bucket: str, now: datetime) -> Decision:
    """Count one hit of a bucket against `limit`, in one statement.

    `limit` is in the notation of the `limits` library, like "60 per hour".
    """
    item = _parse(limit)
    name, ends_at = _window(vault, limit, bucket, now)
    hits: int = session.execute(_UPSERT, {"bucket": name, "ends_at": ends_at}).scalar_one()
    return _decision(hits <= item.amount, ends_at, now)


def look(session: Session, vault: PageVault, limit: str, *bucket: str, now: datetime) -> Decision:
    """Return what `hit` would, without counting."""
    name, ends_at = _window(vault, limit, bucket, now)
    hits = session.scalar(_HITS, {"name": name}) or 0
    return _decision(hits < _parse(limit).amount, ends_at, now)


def _window(vault: PageVault, limit: str, bucket: tuple[str, ...], now: datetime) -> tuple[bytes, datetime]:
    seconds = _parse(limit).get_expiry()
    window = int(now.timestamp()) // seconds
    return vault.bucket(limit, str(window), *bucket), datetime.fromtimestamp((window + 1) * seconds, UTC)


def _decision(allowed: bool, ends_at: datetime, now: datetime) -> Decision:
    return Decision(allowed, 0 if allowed else max(1, int((ends_at - now).total_seconds())))


def tidy(parts: WorkerParts) -> None:
    """Delete the windows that ended over a day ago.

    The day's margin keeps a clock that jumps back from resetting a limit.
    """
    in_turns(parts, purge)


def purge(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Delete up to `limit` windows that ended over a day before `now`; return how many."""
    return delete_some(session, RateBucket, RateBucket.ends_at < now - timedelta(days=1), limit)


@cache
def _parse(limit: str) -> RateLimitItem:
    return parse(limit)
