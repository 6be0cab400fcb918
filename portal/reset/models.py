"""Tables of resets: cohort jobs, with counts and never a name, and new passwords on their way to a store."""

from datetime import datetime

from sqlalchemy import LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc
from portal.crypto.vault import INDEX_BYTES, ROW_MAC_BYTES


class Requirement(Base):
    """One job of `portal reset require`, resumable: everything up to `cursor` is done and counted.

    `subject` is an incident's slug, or empty for everyone. `cursor` is the key of a row of the list, or of an
    account where it is for everyone. The row is locked during each turn, so that two commands share the work
    and a killed one leaves no lock.
    """

    __tablename__ = "reset_requirements"

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    subject: Mapped[str] = mapped_column(String(100), index=True)
    list_version: Mapped[int | None]
    started_at: Mapped[datetime] = mapped_column(Utc)
    finished_at: Mapped[datetime | None] = mapped_column(Utc)
    cursor: Mapped[bytes] = mapped_column(LargeBinary, default=b"")
    people: Mapped[int] = mapped_column(default=0, server_default="0")
    altered: Mapped[int] = mapped_column(default=0, server_default="0")
    newly: Mapped[int] = mapped_column(default=0)
    already: Mapped[int] = mapped_column(default=0)
    renewed: Mapped[int] = mapped_column(default=0)
    mails: Mapped[int] = mapped_column(default=0)


class CountedAccount(Base):
    """An account that an unfinished job for a list has counted: several people may share one.

    `key` is the job's id and a keyed hash that only the worker can compute, so it leads to no account. The
    rows of a job are deleted when it ends.
    """

    __tablename__ = "reset_counted"
    __table_args__ = WITHOUT_ROWID

    key: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES + INDEX_BYTES), primary_key=True)


class PasswordAttempt(Base):
    """A new password that is being stored in a company's own store: at most one per account at a time.

    Only the worker can compute `account_key`, and open `account`. `attempt` is leased until `until`. Without
    one the row says, until that day, that what became of an attempt is `unknown`; or, where `sign_outs` is a
    number, that the company's store was asked so often to end the account's sessions, and is again then.
    """

    __tablename__ = "reset_attempts"
    __table_args__ = WITHOUT_ROWID

    account_key: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), primary_key=True)
    attempt: Mapped[bytes | None] = mapped_column(LargeBinary(ID_BYTES))
    account: Mapped[bytes] = mapped_column(LargeBinary)
    unknown: Mapped[bool]
    sign_outs: Mapped[int | None]
    until: Mapped[datetime] = mapped_column(Utc, index=True)


class ResetRun(Base):
    """A count of what a required reset would do and, once a second person approved it, that reset.

    `subject` and `list_version` are those of a `Requirement`. `tally` is JSON with the counts of the count,
    then of the reset; `acting` is JSON with who does it, for the audit log. The MAC covers these and `state`.
    A worker holds the `lease`, and `changed_at` says that it lives; `done` people of `total` are read.
    """

    __tablename__ = "reset_runs"
    __table_args__ = WITHOUT_ROWID

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    subject: Mapped[str] = mapped_column(String(100))
    list_version: Mapped[int | None]
    state: Mapped[str] = mapped_column(String(10))
    tally: Mapped[str] = mapped_column(Text, default="")
    acting: Mapped[str] = mapped_column(Text, default="")
    asked_at: Mapped[datetime] = mapped_column(Utc, index=True)
    row_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))
    changed_at: Mapped[datetime] = mapped_column(Utc)
    lease: Mapped[bytes | None] = mapped_column(LargeBinary(ID_BYTES))
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    fault: Mapped[str] = mapped_column(String(30), default="")
