"""The table of checklists. The worker alone writes it, under row MACs."""

from datetime import date, datetime

from sqlalchemy import Date, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc
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
