"""Tables of changed addresses: the changes that can be undone, and the addresses that an account had."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc
from portal.crypto.vault import INDEX_BYTES

# Asked for and not confirmed, made, or undone by its owner while the worker has not restored the address yet.
# One that is closed was made or asked for, and nothing can undo it alone: see `service.change`.
ASKED, CHANGED, UNDONE, CLOSED = "asked", "changed", "undone", "closed"
STATE_LENGTH = 8


class AddressChange(Base):
    """A change of an account's address that somebody asked for or made, for as long as it can be undone.

    `account_version` is the account's when it was asked for: of two changes, the one with the greater number
    came later. Only the worker reads the addresses and what protected the account before. `ends_at` is the
    end of a day.
    """

    __tablename__ = "address_changes"
    __table_args__ = (Index("ix_address_changes_account_id", "account_id"), WITHOUT_ROWID)

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    account_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES))
    account_version: Mapped[int]
    state: Mapped[str] = mapped_column(String(STATE_LENGTH))
    ends_at: Mapped[datetime] = mapped_column(Utc, index=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class PastAddress(Base):
    """An address that an account had, under the id of the change that ended it.

    `address_index` is a blind index that the web process cannot compute, and what is sealed names account
    and address: nobody without the worker's keys can give an account another's past. Until `held_until`, the
    end of a day, nobody else can take the address.
    """

    __tablename__ = "past_addresses"
    __table_args__ = (
        Index("ix_past_addresses_address_index", "address_index"),
        Index("ix_past_addresses_account_id", "account_id"),
        WITHOUT_ROWID,
    )

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    account_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES))
    address_index: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES))
    held_until: Mapped[datetime] = mapped_column(Utc)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
