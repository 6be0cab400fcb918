"""The table of cases."""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import WITHOUT_ROWID, Base, Utc

NUMBER_DIGITS = 10


class Case(Base):
    """One case, every column but `record` of one length from the start; that one since the first look.

    `number` is random, so the table's order tells nothing. `view` is what the person sees, sealed to the key
    pair that their code yields (`public` is its public half). `contact` is sealed for the worker by the web
    process. `record` is how the case stands: the worker's alone, and none until it first looked. `look_at` is
    when it next looks: about once an hour at every case that is not closed, whatever became of it.
    """

    __tablename__ = "cases"
    __table_args__ = WITHOUT_ROWID

    number: Mapped[str] = mapped_column(String(NUMBER_DIGITS), primary_key=True)
    public: Mapped[bytes] = mapped_column(LargeBinary(32))
    view: Mapped[bytes] = mapped_column(LargeBinary)
    contact: Mapped[bytes] = mapped_column(LargeBinary)
    record: Mapped[bytes | None] = mapped_column(LargeBinary)
    opened_on: Mapped[datetime] = mapped_column(Utc)
    look_at: Mapped[datetime | None] = mapped_column(Utc, index=True)
    closed_on: Mapped[datetime | None] = mapped_column(Utc, index=True)
