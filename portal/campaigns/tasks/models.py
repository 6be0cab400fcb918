"""Tables of the long work that the notices' pages asked for, and of the sealed files that come of some."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc
from portal.crypto.vault import ROW_MAC_BYTES

# What is to be done: draft a notice, or list the people whom one did not reach.
DRAFT, EXPORT = "draft", "export"
# States. A file that is READY can be taken once, until its hour is over.
WAITING, READY, DONE, TAKEN, OVER, FAILED = "waiting", "ready", "done", "taken", "over", "failed"


class NoticeTask(Base):
    """One piece of work. Only the worker changes it: a row MAC covers all but its progress.

    `fields` is JSON: the plan of a draft, or the notice whose people are listed; `acting` is JSON with who
    does it, for the audit log. `notice` is the notice's number, of a draft once it is there. `people` is the
    number of lines of a file, `chunks` that of its pieces, and `file_key` their key, encrypted for the
    worker: without it nothing opens them. A worker holds the `lease`, and `changed_at` says that it lives.
    """

    __tablename__ = "notice_tasks"
    __table_args__ = (Index(None, "state", "changed_at"), Index(None, "incident_id"), WITHOUT_ROWID)

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    incident_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES))
    notice: Mapped[int] = mapped_column(Integer, default=0)
    state: Mapped[str] = mapped_column(String(10))
    fields: Mapped[str] = mapped_column(Text)
    acting: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[datetime] = mapped_column(Utc)
    changed_at: Mapped[datetime] = mapped_column(Utc)
    lease: Mapped[bytes | None] = mapped_column(LargeBinary(ID_BYTES))
    done: Mapped[int] = mapped_column(BigInteger, default=0)
    total: Mapped[int] = mapped_column(BigInteger, default=0)
    fault: Mapped[str] = mapped_column(String(30), default="")
    people: Mapped[int] = mapped_column(Integer, default=0)
    chunks: Mapped[int] = mapped_column(Integer, default=0)
    file_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    row_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))


class TaskChunk(Base):
    """One sealed piece of a file; all have the same length."""

    __tablename__ = "notice_task_chunks"
    __table_args__ = WITHOUT_ROWID

    task_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(LargeBinary)
