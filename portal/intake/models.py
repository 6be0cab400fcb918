"""Tables between public forms and the worker: sealed requests, their pace, prepared replies, and caps."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc, new_id
from portal.crypto.vault import INDEX_BYTES

WAITING = "waiting"
HELD = "held"
FAILED = "failed"
_LEASED = text("lease IS NOT NULL")


class IntakeRequest(Base):
    """A form's input, sealed for the worker at one fixed length. Answered requests are deleted.

    `lane` is one keyed byte of the network that it came from: the worker takes from each lane in turn.
    """

    __tablename__ = "intake_requests"
    __table_args__ = (
        Index(None, "state", "lane", "due_at"),
        Index(None, "due_at", "asked_at"),
        Index("ix_intake_requests_leased", "lease", sqlite_where=_LEASED, postgresql_where=_LEASED),
    )

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True, default=new_id)
    purpose: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(8), default=WAITING)
    asked_at: Mapped[datetime] = mapped_column(Utc)
    # Held and failed requests have none.
    due_at: Mapped[datetime | None] = mapped_column(Utc)
    lease: Mapped[bytes | None] = mapped_column(LargeBinary(ID_BYTES))
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0)
    lane: Mapped[int] = mapped_column(SmallInteger, default=0)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class IntakePace(Base):
    """How fast requests are claimed: one row for ever, which the migration inserts.

    `next_at` is when the next may be claimed at the rate that is set. `claimed` counts since `since`; it is 0
    while none is left waiting. `wait_seconds` is the wait that was last measured.
    """

    __tablename__ = "intake_pace"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    next_at: Mapped[datetime] = mapped_column(Utc)
    since: Mapped[datetime] = mapped_column(Utc)
    claimed: Mapped[int]
    wait_seconds: Mapped[int]
    measured_at: Mapped[datetime] = mapped_column(Utc)


class IntakeReply(Base):
    """A prepared answer, encrypted under the mailed token.

    Its id is the mail's; the token derives from it. Nothing in a row derives from an address, so that rows of
    one person cannot be linked. When the code ends, `by_code` is emptied and `code_expires_at` set to NULL.
    `expires_at` is a full hour and `spent_at` a day: neither says to the second what a person did, or when
    their mail left.
    """

    __tablename__ = "intake_replies"
    __table_args__ = WITHOUT_ROWID

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(40))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    private: Mapped[bytes] = mapped_column("kept", LargeBinary)
    browser: Mapped[bytes] = mapped_column(LargeBinary(32), index=True)
    by_code: Mapped[bytes] = mapped_column(LargeBinary)
    code_tries: Mapped[int] = mapped_column(SmallInteger, default=0)
    code_expires_at: Mapped[datetime | None] = mapped_column(Utc, index=True)
    created_at: Mapped[datetime] = mapped_column(Utc)
    expires_at: Mapped[datetime] = mapped_column(Utc, index=True)
    reusable: Mapped[bool]
    spent_at: Mapped[datetime | None] = mapped_column(Utc)


class IntakeCap(Base):
    """Today's number of answers of one form to one address, and its newest links, encrypted at one length.

    The web process cannot compute the key.
    """

    __tablename__ = "intake_caps"
    __table_args__ = WITHOUT_ROWID

    key: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), primary_key=True)
    record: Mapped[bytes] = mapped_column(LargeBinary)
    ends_at: Mapped[datetime] = mapped_column(Utc, index=True)
