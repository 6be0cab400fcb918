"""Tables of uploads: what is known of each, its sealed chunks and their keys, and the lines of bad rows."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, LargeBinary, SmallInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc, new_id
from portal.crypto.vault import INDEX_BYTES

# What a file is for: a list of people affected, or people to leave out of notices.
LIST = "list"
LEFT_OUT = "left-out"
# What the chunks hold: the file itself, or what the child process wrote of a workbook's sheet.
TEXT = "text"
SHEET = "sheet"
# States. Whoever uploads changes the first, the worker all others.
RECEIVING = "receiving"
WAITING = "waiting"  # for the worker, to be read or imported
WORKING = "working"
UNDECIDED = "undecided"  # somebody must say what its columns are, or in which encoding it is
READ = "read"
REFUSED = "refused"
STORED = "stored"
DISCARDED = "discarded"


class Upload(Base):
    """One file on its way, or what became of it; in clear it holds only sizes and counts.

    `size` is that of the file, where it is known before its end; `received` is how much of it is stored, in
    `chunks` chunks. `mark` is a hash of the file's name and time under the row's id, by which somebody who
    goes on is told that they chose another file. `plan` is what the worker is to do, and `findings` what it
    found; both are sealed by the worker, so that nobody else decides or reads them. `stage`, `done`, `total`,
    `rows` and `rate` (rows per second) are its progress.
    """

    __tablename__ = "list_uploads"
    __table_args__ = (Index(None, "state", "changed_at"), Index(None, "incident_id"), WITHOUT_ROWID)

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True, default=new_id)
    incident_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES))
    purpose: Mapped[str] = mapped_column(String(10))
    form: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10), default=RECEIVING)
    actor: Mapped[str] = mapped_column(String(100))
    mark: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), default=b"")
    size: Mapped[int | None] = mapped_column(BigInteger)
    received: Mapped[int] = mapped_column(BigInteger, default=0)
    chunks: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(Utc)
    changed_at: Mapped[datetime] = mapped_column(Utc)
    lease: Mapped[bytes | None] = mapped_column(LargeBinary(ID_BYTES))
    stage: Mapped[str] = mapped_column(String(10), default="")
    done: Mapped[int] = mapped_column(BigInteger, default=0)
    total: Mapped[int] = mapped_column(BigInteger, default=0)
    rows: Mapped[int] = mapped_column(default=0)
    rate: Mapped[int] = mapped_column(default=0)
    bad_rows: Mapped[int] = mapped_column(default=0)
    people: Mapped[int] = mapped_column(default=0)
    # The version that the file became.
    number: Mapped[int] = mapped_column(default=0)
    plan: Mapped[bytes | None] = mapped_column(LargeBinary)
    findings: Mapped[bytes | None] = mapped_column(LargeBinary)


class UploadKey(Base):
    """The key of one run of chunks, sealed to the worker; deleting it makes them unreadable."""

    __tablename__ = "list_upload_keys"
    __table_args__ = WITHOUT_ROWID

    upload_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    first: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class UploadChunk(Base):
    """One sealed chunk of an upload: up to a megabyte."""

    __tablename__ = "list_upload_chunks"
    __table_args__ = WITHOUT_ROWID

    upload_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class UploadLines(Base):
    """The lines of rows that were rejected for one reason, a page of them: `1,5,17`.

    `reason` is its number in the findings: its words may repeat one of the file's, line numbers say nothing.
    """

    __tablename__ = "list_upload_lines"
    __table_args__ = WITHOUT_ROWID

    upload_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    page: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[int] = mapped_column(SmallInteger)
    lines: Mapped[str] = mapped_column(Text)
