"""The tables of the audit log: its entries, its single head row and the signed checkpoints."""

from datetime import datetime

from sqlalchemy import Connection, Index, LargeBinary, Table, event
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import Base, Utc

HASH_BYTES = 32


class AuditEntry(Base):
    """One action. `details` is canonical JSON with counts and names of public things, never of people."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_subject", "subject", "number"),
        Index(None, "action", "at"),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(Utc)
    action: Mapped[str]
    subject: Mapped[str]
    details: Mapped[str]
    previous: Mapped[bytes] = mapped_column(LargeBinary(HASH_BYTES))
    digest: Mapped[bytes] = mapped_column(LargeBinary(HASH_BYTES))


class AuditHead(Base):
    """The single row that every writer locks, so that the chain never forks."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int]
    digest: Mapped[bytes] = mapped_column(LargeBinary(HASH_BYTES))


class AuditCheckpoint(Base):
    """The head at one time, signed with a key that the web process does not hold."""

    __tablename__ = "audit_checkpoints"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(Utc)
    digest: Mapped[bytes] = mapped_column(LargeBinary(HASH_BYTES))
    signature: Mapped[bytes] = mapped_column(LargeBinary(HASH_BYTES))


# The head row is part of the schema: without it the first entry could not be written.
@event.listens_for(AuditHead.__table__, "after_create")
def _add_head(table: Table, connection: Connection, **_options: object) -> None:
    connection.execute(table.insert().values(id=1, number=0, digest=bytes(HASH_BYTES)))
