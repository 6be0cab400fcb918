"""What the portal itself keeps of an account, whichever store holds its address and its password."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc

NAME_LENGTH = 40  # of a store
REASON_LENGTH = 100
# SQLite enforces no length, and would have to copy the whole table to declare another one.
STORED_HASH = String(1500).with_variant(String(512), "sqlite")
HAS_PLAIN_CLOSED = text("closed LIKE '$%'")


class AccountState(Base):
    """One account that the portal knows.

    In the builtin store, the id is the account's. In another one, it is a blind index of the store's own id
    under the worker's key: nobody can go from an address to this row without it.
    """

    __tablename__ = "account_state"
    __table_args__ = (
        # Finds what earlier versions stored; empty once the worker has encrypted it.
        Index(
            "ix_account_state_plain",
            "id",
            sqlite_where=HAS_PLAIN_CLOSED,
            postgresql_where=HAS_PLAIN_CLOSED,
        ),
        WITHOUT_ROWID,
    )

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    store: Mapped[str] = mapped_column(String(NAME_LENGTH))
    version: Mapped[int] = mapped_column(default=1)
    must_reset: Mapped[bool] = mapped_column(default=False)
    reset_reason: Mapped[str | None] = mapped_column(String(REASON_LENGTH))
    reset_required_at: Mapped[datetime | None] = mapped_column(Utc)
    password_changed_at: Mapped[datetime | None] = mapped_column(Utc)
    # When a password was last chosen through a mailed link, without an earlier password as proof.
    chosen_by_mail_at: Mapped[datetime | None] = mapped_column(Utc)
    # What tells the password that the last required reset closed, so that it cannot be chosen again. In the
    # builtin store: its hash, encrypted, or one that no password matches if there was no such reset. In
    # another one: what that store gave to be kept, encrypted for the worker.
    closed: Mapped[str | None] = mapped_column(STORED_HASH)
    # Who has the account, encrypted for the worker; the builtin store has a profile of its own.
    owner: Mapped[bytes | None] = mapped_column(LargeBinary)


class UncheckedPassword(Base):
    """An account whose password, chosen at this version, is to be looked up in a list that was away."""

    __tablename__ = "unchecked_passwords"
    __table_args__ = WITHOUT_ROWID

    account_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    version: Mapped[int]
