"""The tables of checklists. What counts in them is under row MACs of the worker's."""

from datetime import date, datetime

from sqlalchemy import Date, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc, new_id
from portal.crypto.vault import ROW_MAC_BYTES


class ChecklistItem(Base):
    """One item of an incident's checklist, once somebody changed it; `version` grows with each change.

    `content` holds note and proof, encrypted under a key that the console and the worker have. `reminded_on`
    is the day (UTC) of the owner's last reminder.
    """

    __tablename__ = "checklist_items"
    __table_args__ = WITHOUT_ROWID

    incident_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    item: Mapped[str] = mapped_column(String(20), primary_key=True)
    version: Mapped[int]
    owner: Mapped[bytes | None] = mapped_column(LargeBinary(ID_BYTES))
    due_at: Mapped[datetime | None] = mapped_column(Utc)
    done_at: Mapped[datetime | None] = mapped_column(Utc)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    row_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))
    reminded_on: Mapped[date | None] = mapped_column(Date)


class ProofFile(Base):
    """A file that proves an item, sealed to the worker; without a `row_mac` the worker has not seen it whole.

    `content` holds its name and type, encrypted under a key that the console and the worker have. `key` is
    that of its chunks, sealed to the worker: deleting the row makes them unreadable.
    """

    __tablename__ = "checklist_files"
    __table_args__ = (Index(None, "incident_id"), WITHOUT_ROWID)

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True, default=new_id)
    incident_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES))
    item: Mapped[str] = mapped_column(String(20))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int] = mapped_column(default=0)
    chunks: Mapped[int] = mapped_column(default=0)
    key: Mapped[bytes] = mapped_column(LargeBinary)
    added_by: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES))
    added_at: Mapped[datetime] = mapped_column(Utc)
    row_mac: Mapped[bytes | None] = mapped_column(LargeBinary(ROW_MAC_BYTES))


class ProofChunk(Base):
    """One sealed chunk of such a file: up to a megabyte."""

    __tablename__ = "checklist_file_chunks"
    __table_args__ = WITHOUT_ROWID

    file_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(LargeBinary)
