"""The reminders table: each account's interval and next date."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc

INTERVALS = ("3", "6", "12")  # in months


class ReminderChoice(Base):
    """One account's choice. `months` is 0 for off; `counted_from` is the day it was made or last reminded of.

    A day, and no row number: an exact time or an order would lead from a visit to the account.
    """

    __tablename__ = "rotation_choices"
    __table_args__ = (Index(None, "months", "next_due_at"), WITHOUT_ROWID)

    account_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    months: Mapped[int] = mapped_column(SmallInteger)
    counted_from: Mapped[datetime] = mapped_column(Utc)
    next_due_at: Mapped[datetime | None] = mapped_column(Utc, index=True)
    # The hash of the token in the unsubscribe link; written with the first mail.
    off_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
