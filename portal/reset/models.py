"""The table of cohort jobs: one row per required reset, with counts and never a name."""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, Base, Utc


class Requirement(Base):
    """One job of `portal reset require`, resumable: accounts with ids up to `cursor` are done.

    `subject` is an incident's slug, or empty for everyone. The row is locked during each batch, so that two
    commands share the work and a killed one leaves no lock.
    """

    __tablename__ = "reset_requirements"

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    subject: Mapped[str] = mapped_column(String(100), index=True)
    list_version: Mapped[int | None]
    started_at: Mapped[datetime] = mapped_column(Utc)
    finished_at: Mapped[datetime | None] = mapped_column(Utc)
    cursor: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), default=b"")
    newly: Mapped[int] = mapped_column(default=0)
    already: Mapped[int] = mapped_column(default=0)
    renewed: Mapped[int] = mapped_column(default=0)
    mails: Mapped[int] = mapped_column(default=0)
