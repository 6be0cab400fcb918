"""Record that a worker lives, in one row per process, and tell when none does."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version

from sqlalchemy import LargeBinary, String, delete, or_, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core.clock import Clock
from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Database, Utc, insert, new_id
from portal.core.faults import is_busy

BEAT_SECONDS = 15.0
# After a beat that another writer's lock kept from being stored.
AGAIN_SECONDS = 1.0
# A worker that was not seen for so long is gone: five beats and some.
SILENT = timedelta(seconds=90)
# How far ahead a beat may lie; further ahead, its clock was wrong, and the row tells nothing.
MAX_AHEAD = timedelta(minutes=1)
KEPT = timedelta(days=1)
START = "start it with: systemctl start portal-worker (or: portal worker)"
_VERSION_LENGTH = 40
_DATABASE_CLOCK = text("SELECT clock_timestamp()")


class Heartbeat(Base):
    """One worker process. `stopped_at` is set where it ended as it was told to; the id is random."""

    __tablename__ = "worker_heartbeats"
    __table_args__ = WITHOUT_ROWID

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    version: Mapped[str] = mapped_column(String(_VERSION_LENGTH))
    started_at: Mapped[datetime] = mapped_column(Utc)
    seen_at: Mapped[datetime] = mapped_column(Utc)
    stopped_at: Mapped[datetime | None] = mapped_column(Utc)


@dataclass(frozen=True)
class Workers:
    """The workers that live, by version; and when one was last seen, or stopped as it was told to."""

    living: tuple[str, ...]
    last_seen: datetime | None
    stopped_at: datetime | None


class Heart:
    """The heartbeat of this process."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Begin without a row."""
        self._db = db
        self._clock = clock
        self._id = new_id()
        self._started_at: datetime | None = None

    def beat(self) -> bool:
        """Store that this worker lives, and forget those long gone; return False if the database is busy."""
        try:
            with self._db.write_at_once() as session:
                now = database_time(session, self._clock.now())
                self._started_at = self._started_at or now
                row = {
                    "id": self._id,
                    "version": installed_version(),
                    "started_at": self._started_at,
                    "seen_at": now,
                }
                statement = insert(session, Heartbeat).values(row)
                session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=row))
                gone = or_(Heartbeat.seen_at < now - KEPT, Heartbeat.seen_at > now + MAX_AHEAD)
                session.execute(delete(Heartbeat).where(gone))
        except DBAPIError as error:
            if not is_busy(error):
                raise
            return False
        return True

    def stop(self) -> None:
        """Store that this worker ends as it was told to. Raises DBAPIError."""
        with self._db.write_at_once() as session:
            now = database_time(session, self._clock.now())
            session.execute(update(Heartbeat).where(Heartbeat.id == self._id).values(stopped_at=now))


def installed_version() -> str:
    """Return the version of the portal that is installed."""
    return version("portal")[:_VERSION_LENGTH]


def database_time(session: Session, now: datetime) -> datetime:
    """Return the time by the one clock that all processes share: PostgreSQL's, or with SQLite this machine's.

    Workers on several machines need no clocks that agree.
    """
    if session.get_bind().dialect.name == "sqlite":
        return now
    return Utc().process_result_value(session.scalar(_DATABASE_CLOCK), session.get_bind().dialect) or now


def workers(session: Session, now: datetime) -> Workers:
    """Return which workers live. Reads one row per worker process of the last day."""
    now = database_time(session, now)
    rows = session.execute(select(Heartbeat.version, Heartbeat.seen_at, Heartbeat.stopped_at)).all()
    known = [row for row in rows if row.seen_at <= now + MAX_AHEAD]
    living = (row.version for row in known if row.stopped_at is None and row.seen_at > now - SILENT)
    last = max(known, key=lambda row: row.seen_at, default=None)
    return Workers(
        tuple(sorted(living)),
        None if last is None else last.seen_at,
        None if last is None else last.stopped_at,
    )


def why_degraded(session: Session, now: datetime) -> str | None:
    """Return that no worker lives and how to start one, or None."""
    seen = workers(session, now)
    if seen.living:
        return None
    if seen.last_seen is None:
        return f"no worker has run on this database yet; {START}"
    if seen.stopped_at is not None:
        return f"no worker runs: the last one was stopped at {seen.stopped_at:%Y-%m-%d %H:%M} UTC; {START}"
    return (
        f"no worker has been seen since {seen.last_seen:%Y-%m-%d %H:%M} UTC; {START}, "
        "and see why it ended: journalctl -u portal-worker"
    )
