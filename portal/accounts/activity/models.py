"""The table of what happened to accounts."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc


class AccountEvent(Base):
    """One event of an account. What it was, when, and in which browser are encrypted together.

    A stolen database says on which days something happened to an account, and nothing else. The table is in
    the order of random ids.
    """

    __tablename__ = "account_events"
    __table_args__ = (Index("ix_account_events_account_id_day", "account_id", "day"), WITHOUT_ROWID)

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    account_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES))
    day: Mapped[datetime] = mapped_column(Utc, index=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
