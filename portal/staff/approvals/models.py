"""The table of what staff asked for and others approved."""

from datetime import datetime

from sqlalchemy import LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc
from portal.crypto.vault import ROW_MAC_BYTES

DIGEST_BYTES = 32


class Told(Base):
    """An approver who was mailed lately. `more`: more was asked for since, which they are told at `until`."""

    __tablename__ = "staff_told"
    __table_args__ = WITHOUT_ROWID

    member_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    until: Mapped[datetime] = mapped_column(Utc, index=True)
    more: Mapped[bool]


class Approval(Base):
    """One thing that was asked for. The worker alone writes it, under a row MAC.

    `fields` says what is to be done, and `shown` exactly what was shown, both canonical JSON; `digest` is
    the hash of kind, fields and shown that the second person approves. `proof` is how that person proved it
    (JSON), with the passkey's answer where they have one.
    """

    __tablename__ = "staff_approvals"
    __table_args__ = WITHOUT_ROWID

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    fields: Mapped[str] = mapped_column(Text)
    shown: Mapped[str] = mapped_column(Text)
    digest: Mapped[bytes] = mapped_column(LargeBinary(DIGEST_BYTES))
    reason: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES))
    asked_at: Mapped[datetime] = mapped_column(Utc, index=True)
    state: Mapped[str] = mapped_column(String(10), index=True)
    decided_by: Mapped[bytes | None] = mapped_column(LargeBinary(ID_BYTES))
    decided_at: Mapped[datetime | None] = mapped_column(Utc)
    comment: Mapped[str] = mapped_column(Text)
    proof: Mapped[str] = mapped_column(Text)
    result: Mapped[str] = mapped_column(Text)
    row_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))
