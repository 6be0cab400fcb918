"""Tables of sealed jobs: the public keys of living worker processes, and jobs with their verdicts."""

from datetime import datetime

from sqlalchemy import ColumnElement, Index, LargeBinary, String, and_, func, true
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc
from portal.crypto.vault import INDEX_BYTES


class WorkerKey(Base):
    """The public key of one worker process; the private one exists in that process's memory alone.

    `proof` is a keyed hash of both, under a key that nobody gets who can only write to the database;
    `staff_proof` the same for the console, which has another key.
    """

    __tablename__ = "worker_keys"
    __table_args__ = WITHOUT_ROWID

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    public: Mapped[bytes] = mapped_column(LargeBinary(32))
    proof: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES))
    staff_proof: Mapped[bytes | None] = mapped_column(LargeBinary(INDEX_BYTES))
    beat_at: Mapped[datetime] = mapped_column(Utc)


class SealedJob(Base):
    """One job: sealed at one length for one process, then its verdict, locked at one length.

    `sealed` is emptied when the job is claimed. Rows live for seconds, also those that nobody came back to.
    """

    __tablename__ = "sealed_jobs"
    __table_args__ = (Index(None, "key_id", "claimed_at"), WITHOUT_ROWID)

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    key_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    asked_at: Mapped[datetime] = mapped_column(Utc)
    claimed_at: Mapped[datetime | None] = mapped_column(Utc)
    answered_at: Mapped[datetime | None] = mapped_column(Utc)
    verdict: Mapped[bytes | None] = mapped_column(LargeBinary)
    deadline: Mapped[datetime] = mapped_column(Utc, index=True)


def readable(dialect: str, *columns: InstrumentedAttribute[bytes]) -> ColumnElement[bool]:
    """Return the condition, in this dialect, that these columns have bytes: SQLite stores any type.

    One row that somebody forged must not be an error for all who look for theirs. Nobody reads its times, for
    the same reason.
    """
    if dialect != "sqlite":
        return true()
    return and_(*(func.typeof(column) == "blob" for column in columns))
