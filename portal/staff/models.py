"""Tables of staff. The worker alone writes all but a session's last visit, under row MACs."""

from datetime import datetime

from sqlalchemy import LargeBinary, String, false
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc
from portal.crypto.vault import INDEX_BYTES, ROW_MAC_BYTES

TOKEN_HASH_BYTES = 32


class StaffMember(Base):
    """A member of staff. Name and address are encrypted under a key that the console and the worker have.

    `version` grows with every change that ends the sessions before it.
    """

    __tablename__ = "staff_members"
    __table_args__ = WITHOUT_ROWID

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    name: Mapped[bytes] = mapped_column(LargeBinary)
    address: Mapped[bytes] = mapped_column(LargeBinary)
    address_index: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), unique=True)
    roles: Mapped[str] = mapped_column(String(60))
    state: Mapped[str] = mapped_column(String(10))
    language: Mapped[str] = mapped_column(String(16))
    version: Mapped[int]
    added_at: Mapped[datetime] = mapped_column(Utc)
    row_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))


class StaffCredential(Base):
    """A password, an authenticator app's secret, a passkey or the recovery codes of a member.

    `content` is encrypted under the storage key and names its member, so nobody else makes one.
    """

    __tablename__ = "staff_credentials"
    __table_args__ = WITHOUT_ROWID

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    member_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    added_at: Mapped[datetime] = mapped_column(Utc)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class StaffHeld(Base):
    """The one row that says which rows of staff are valid: see `portal/staff/held.py`.

    `content` has a tag of each member, credential and session; `number` is how often that changed.
    """

    __tablename__ = "staff_held"
    __table_args__ = WITHOUT_ROWID

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int]
    content: Mapped[bytes] = mapped_column(LargeBinary)
    row_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))


class StaffInvitation(Base):
    """A link that lets a member choose how to sign in, once.

    `replaces`: what they had before is removed. `adds`: they add a passkey to it, and nothing else.
    """

    __tablename__ = "staff_invitations"
    __table_args__ = WITHOUT_ROWID

    id: Mapped[bytes] = mapped_column(LargeBinary(TOKEN_HASH_BYTES), primary_key=True)
    member_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), index=True)
    replaces: Mapped[bool]
    adds: Mapped[bool] = mapped_column(default=False, server_default=false())
    made_at: Mapped[datetime] = mapped_column(Utc)
    ends_at: Mapped[datetime] = mapped_column(Utc, index=True)
    row_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))


class StaffChallenge(Base):
    """A question to a passkey that the worker made and nobody answered yet. `bound` is what it is for."""

    __tablename__ = "staff_challenges"
    __table_args__ = WITHOUT_ROWID

    id: Mapped[bytes] = mapped_column(LargeBinary(TOKEN_HASH_BYTES), primary_key=True)
    ends_at: Mapped[datetime] = mapped_column(Utc, index=True)
    row_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))


class StaffSession(Base):
    """A signed-in browser, found by the hash of its token.

    The console alone writes `seen_at`. `proved_at` is when the member last confirmed that it is them, `how`
    with what; `proof_mac` covers both.
    """

    __tablename__ = "staff_sessions"
    __table_args__ = WITHOUT_ROWID

    id: Mapped[bytes] = mapped_column(LargeBinary(TOKEN_HASH_BYTES), primary_key=True)
    member_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), index=True)
    member_version: Mapped[int]
    browser: Mapped[bytes] = mapped_column(LargeBinary)
    began_at: Mapped[datetime] = mapped_column(Utc, index=True)
    seen_at: Mapped[datetime] = mapped_column(Utc)
    row_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))
    proved_at: Mapped[datetime] = mapped_column(Utc)
    how: Mapped[str] = mapped_column(String(10))
    proof_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))
