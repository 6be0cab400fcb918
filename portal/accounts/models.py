"""Sign-in tables: sessions, and the counts that slow down and stop password guessing."""

from datetime import datetime

from sqlalchemy import LargeBinary, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc
from portal.crypto.vault import INDEX_BYTES


class AccountSession(Base):
    """A signed-in browser, valid while the account keeps the version it had at sign-in."""

    __tablename__ = "account_sessions"

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    account_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), index=True)
    account_version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(Utc)
    seen_at: Mapped[datetime] = mapped_column(Utc, index=True)
    # When this browser last proved whose account it is: with everything that a sign-in asks for.
    proved_at: Mapped[datetime | None] = mapped_column(Utc)
    ends_at: Mapped[datetime] = mapped_column(Utc, index=True)
    password_tries: Mapped[int] = mapped_column(SmallInteger, default=0)
    # Encrypted under the session's token, which only the browser has.
    address: Mapped[bytes] = mapped_column(LargeBinary)
    # Encrypted under a key of the web process: other sessions of the same account show it.
    device: Mapped[bytes] = mapped_column(LargeBinary)


class FailureCount(Base):
    """Consecutive failures at one address, unreadable without a key; `lockout.py` says why.

    Addresses without an account are counted too, so that a lockout does not reveal an account.
    """

    __tablename__ = "sign_in_doors"
    __table_args__ = WITHOUT_ROWID

    key: Mapped[bytes] = mapped_column("door", LargeBinary(INDEX_BYTES), primary_key=True)
    strangers: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES))
    devices: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES))
    sessions: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES))
    forget_at: Mapped[datetime] = mapped_column(Utc, index=True)


class SignInWait(Base):
    """The time until which a network or known device must wait at one address; the bucket's name is keyed."""

    __tablename__ = "sign_in_waits"
    __table_args__ = WITHOUT_ROWID

    bucket: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), primary_key=True)
    failures: Mapped[int]
    refuse_until: Mapped[datetime] = mapped_column(Utc)
    tried_at: Mapped[datetime] = mapped_column(Utc, index=True)
