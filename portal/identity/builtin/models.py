"""The builtin store's tables."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc
from portal.crypto.vault import INDEX_BYTES
from portal.identity.models import STORED_HASH

STORE = "builtin"  # its name
# Accounts as earlier versions stored them: every encoded hash begins with a dollar sign, no base64 text.
HAS_PLAIN_HASH = text("password_hash LIKE '$%'")
COST_CLASS_LENGTH = 60


class AccountRow(Base):
    """One account. `profile` holds address and name, encrypted under the worker's storage key.

    What the portal itself keeps of it is in `AccountState` under the same id.
    """

    __tablename__ = "identity_accounts"
    # Finds what earlier versions stored; empty once the worker has encrypted it.
    __table_args__ = (
        Index(
            "ix_identity_accounts_plain", "id", sqlite_where=HAS_PLAIN_HASH, postgresql_where=HAS_PLAIN_HASH
        ),
    )

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    address_index: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), unique=True)
    # Where earlier versions stored the account's reference, keyed with the worker's list index key; random in
    # rows without one, and in all that were written since: `AccountReference`.
    ref_index: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), index=True)
    profile: Mapped[bytes] = mapped_column(LargeBinary)
    # Encrypted: `hashes.py`, which also says what earlier versions stored.
    password_hash: Mapped[str] = mapped_column(STORED_HASH)
    created_at: Mapped[datetime] = mapped_column(Utc)


class AccountReference(Base):
    """A customer number of an account; `references.py` says who can read what."""

    __tablename__ = "identity_references"
    __table_args__ = WITHOUT_ROWID

    ref_index: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), primary_key=True)
    owner_index: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), primary_key=True, index=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class CostCount(Base):
    """The number of accounts per class of a hash's cost; unknown addresses get a stand-in drawn from these.

    `came` accounts were brought with a hash of this class; `accounts` have one now.
    """

    __tablename__ = "identity_hash_shapes"

    cost_class: Mapped[str] = mapped_column("shape", String(COST_CLASS_LENGTH), primary_key=True)
    accounts: Mapped[int]
    came: Mapped[int] = mapped_column(default=0, server_default=text("0"))
