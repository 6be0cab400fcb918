"""The builtin store's tables."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc
from portal.crypto.vault import INDEX_BYTES

REASON_LENGTH = 100
# SQLite enforces no length, and would have to copy the whole table to declare another one.
_Hash = String(1500).with_variant(String(512), "sqlite")
# Accounts as earlier versions stored them: every encoded hash begins with a dollar sign, no base64 text.
HAS_PLAIN_HASH = text("(password_hash LIKE '$%' OR closed_hash LIKE '$%')")
ARGON2_PARAMS_LENGTH = 60


class AccountRow(Base):
    """One account. `profile` holds address and name, encrypted under the worker's storage key."""

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
    # Both hashes are encrypted: `hashes.py`, which also says what earlier versions stored.
    password_hash: Mapped[str] = mapped_column(_Hash)
    # The hash of the password closed by the last required reset, so that it cannot be chosen again; a hash
    # that no password matches if there was no such reset.
    closed_hash: Mapped[str] = mapped_column(_Hash)
    version: Mapped[int] = mapped_column(default=1)
    must_reset: Mapped[bool] = mapped_column(default=False)
    reset_reason: Mapped[str | None] = mapped_column(String(REASON_LENGTH))
    reset_required_at: Mapped[datetime | None] = mapped_column(Utc)
    password_changed_at: Mapped[datetime | None] = mapped_column(Utc)
    # When a password was last chosen through a mailed link, without an earlier password as proof.
    chosen_by_mail_at: Mapped[datetime | None] = mapped_column(Utc)
    created_at: Mapped[datetime] = mapped_column(Utc)


class AccountReference(Base):
    """A customer number of an account; `references.py` says who can read what."""

    __tablename__ = "identity_references"
    __table_args__ = WITHOUT_ROWID

    ref_index: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), primary_key=True)
    owner_index: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), primary_key=True, index=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class Argon2ParamsCount(Base):
    """The number of accounts per Argon2 parameters; unknown addresses get a dummy hash drawn from these."""

    __tablename__ = "identity_hash_shapes"

    argon2_params: Mapped[str] = mapped_column("shape", String(ARGON2_PARAMS_LENGTH), primary_key=True)
    accounts: Mapped[int]
