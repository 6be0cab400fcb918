"""The outbox tables: one row per recipient and message, the single record of its delivery."""

from datetime import date, datetime

from sqlalchemy import Date, Float, Index, LargeBinary, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc, new_id
from portal.crypto.vault import INDEX_BYTES

QUEUED = "queued"
SENDING = "sending"
SENT = "sent"
FAILED = "failed"
UNCERTAIN = "uncertain"
BOUNCED = "bounced"
# As the indexes have them: a bound parameter would not match.
ENDED = text("due_at IS NULL")
HAS_PAYLOAD = text("(finished_at IS NOT NULL AND length(payload) > 0)")
OF_NO_BATCH = text("batch IS NULL")
UNCOUNTED = text("counted <> state")
STATES = (QUEUED, SENDING, SENT, FAILED, UNCERTAIN, BOUNCED)


class OutboxMail(Base):
    """One mail.

    Address and content are encrypted at one fixed length; `purpose` says which request or event caused the
    mail, never its outcome. `priority` is that of a stream, or the lane of a notice.
    """

    __tablename__ = "outbox_mails"

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True, default=new_id)
    purpose: Mapped[str] = mapped_column(String(40))
    priority: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[str] = mapped_column(String(12), default=QUEUED)
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0)
    # Attempts that may have delivered the mail without an answer from the relay. Once above 0, the mail is
    # never reported as unsent.
    maybe_sent_count: Mapped[int] = mapped_column("ambiguous", SmallInteger, default=0)
    due_at: Mapped[datetime | None] = mapped_column(Utc)
    lease: Mapped[bytes | None] = mapped_column(LargeBinary(ID_BYTES))
    created_at: Mapped[datetime] = mapped_column(Utc)
    finished_at: Mapped[datetime | None] = mapped_column(Utc)
    reason: Mapped[str | None] = mapped_column(String(20))
    batch: Mapped[bytes | None] = mapped_column(LargeBinary(ID_BYTES), index=True)
    unique_key: Mapped[bytes | None] = mapped_column(LargeBinary(INDEX_BYTES), unique=True)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    proof_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32), index=True)
    proof: Mapped[bytes | None] = mapped_column(LargeBinary)
    # The state in which `OutboxLedger` counts the mail of a notice; NULL for all other mail.
    counted: Mapped[str | None] = mapped_column(String(12))

    __table_args__ = (
        Index("ix_outbox_mails_uncounted", "id", sqlite_where=UNCOUNTED, postgresql_where=UNCOUNTED),
        Index(
            "ix_outbox_mails_due",
            "priority",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index("ix_outbox_mails_ended", "state", "finished_at", sqlite_where=ENDED, postgresql_where=ENDED),
        Index(
            "ix_outbox_mails_finished",
            "finished_at",
            sqlite_where=HAS_PAYLOAD,
            postgresql_where=HAS_PAYLOAD,
        ),
    )


class OutboxDelivered(Base):
    """What is kept of a mail that was sent, or that was requested and may have been sent.

    `unique_key` keeps it from being sent twice, `proof` vouches for it on /is-it-real/. No id, no row number
    and no time of day: they would lead to a request's other rows, or tell who was mailed after whom.
    """

    __tablename__ = "outbox_delivered"
    __table_args__ = (
        Index("ix_outbox_delivered_day", "day", sqlite_where=OF_NO_BATCH, postgresql_where=OF_NO_BATCH),
        WITHOUT_ROWID,
    )

    proof_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    batch: Mapped[bytes | None] = mapped_column(LargeBinary(ID_BYTES))
    unique_key: Mapped[bytes | None] = mapped_column(LargeBinary(INDEX_BYTES), unique=True)
    state: Mapped[str] = mapped_column(String(12))
    day: Mapped[date] = mapped_column(Date)
    proof: Mapped[bytes] = mapped_column(LargeBinary)


class OutboxCount(Base):
    """The number of mails of one batch and state in `OutboxDelivered`; `batch` is empty for those of none."""

    __tablename__ = "outbox_counts"
    __table_args__ = WITHOUT_ROWID

    batch: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    state: Mapped[str] = mapped_column(String(12), primary_key=True)
    number: Mapped[int]


class OutboxLedger(Base):
    """The number of mails of a notice in one wave and state, kept as they change; summed over the slots.

    Each process adds to a slot of its own, so that the connections of several workers do not wait for one
    row; a number may be below 0. Wave 0: whose wave is not known. Who belongs to a wave is in no column: it
    lies in the encrypted payload of the mail.
    """

    __tablename__ = "outbox_ledger"
    __table_args__ = WITHOUT_ROWID

    batch: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    wave: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(12), primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    number: Mapped[int]


class OutboxLane(Base):
    """The lane of one notice: its mails have this number as their priority. While `held`, none leaves."""

    __tablename__ = "outbox_lanes"
    __table_args__ = WITHOUT_ROWID

    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    batch: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), unique=True)
    held: Mapped[bool] = mapped_column(default=False)


class MailRelay(Base):
    """The pace of one relay, for the workers of all machines: a bucket of tokens and the rate that fills it.

    `relay` is host and port. There is a row once the relay has throttled, or where the operator set a rate.
    """

    __tablename__ = "mail_relays"
    __table_args__ = WITHOUT_ROWID

    relay: Mapped[str] = mapped_column(String(300), primary_key=True)
    rate: Mapped[float] = mapped_column(Float)
    tokens: Mapped[float] = mapped_column(Float)
    filled_at: Mapped[datetime] = mapped_column(Utc)
    ceiling: Mapped[float | None] = mapped_column(Float)
    slowed_at: Mapped[datetime | None] = mapped_column(Utc)


class MailPause(Base):
    """The operator's pause: while there is a row, notices and updates stay in the queue."""

    __tablename__ = "mail_pauses"
    __table_args__ = WITHOUT_ROWID

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    reason: Mapped[str] = mapped_column(String(200))
    paused_at: Mapped[datetime] = mapped_column(Utc)
