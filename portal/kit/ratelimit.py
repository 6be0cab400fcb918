"""Limits that several web processes share through the database: fixed windows, counted under blind bucket names."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from limits import RateLimitItem, parse
from sqlalchemy import LargeBinary, bindparam, delete, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.kit.db import Base, Utc
from portal.kit.vault import INDEX_BYTES, WebVault

_UPSERT = text(
    "INSERT INTO rate_buckets (bucket, hits, ends_at) VALUES (:bucket, 1, :ends_at) "
    "ON CONFLICT (bucket) DO UPDATE SET hits = rate_buckets.hits + 1 RETURNING hits"
).bindparams(bindparam("bucket", type_=LargeBinary()), bindparam("ends_at", type_=Utc()))


class RateBucket(Base):
    """Hits of one bucket in one window; the bucket's name is keyed, so no network address is stored."""

    __tablename__ = "rate_buckets"

    bucket: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), primary_key=True)
    hits: Mapped[int]
    ends_at: Mapped[datetime] = mapped_column(Utc, index=True)


@dataclass(frozen=True)
class Decision:
    """Whether a hit is within its limit, and if not, in how many seconds the next one will be."""

    allowed: bool
    retry_after: int = 0


def hit(session: Session, vault: WebVault, limit: str, *bucket: str, now: datetime) -> Decision:
    """Count one hit against `limit` (in the words of the limits library, "60 per hour") for a bucket; one statement."""
    item = _parse(limit)
    seconds = item.get_expiry()
    window = int(now.timestamp()) // seconds
    ends_at = datetime.fromtimestamp((window + 1) * seconds, UTC)
    name = vault.bucket(limit, str(window), *bucket)
    hits: int = session.execute(_UPSERT, {"bucket": name, "ends_at": ends_at}).scalar_one()
    if hits <= item.amount:
        return Decision(allowed=True)
    return Decision(allowed=False, retry_after=max(1, int((ends_at - now).total_seconds())))


def purge(session: Session, now: datetime) -> None:
    """Forget the windows that are over, and by a day: a clock that jumps back opens nothing."""
    session.execute(delete(RateBucket).where(RateBucket.ends_at < now - timedelta(days=1)))


@cache
def _parse(limit: str) -> RateLimitItem:
    return parse(limit)
