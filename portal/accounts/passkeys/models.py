"""Tables of passkeys: the passkeys, unreadable without a key, and the challenges that were answered."""

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc
from portal.crypto.vault import INDEX_BYTES


class Passkey(Base):
    """One passkey of an account.

    `credential` is a keyed hash of the id that its authenticator sends. `content` is encrypted for web and
    worker at one length (`stored.py`). `address` is sealed to a key that only the passkey's user handle
    yields, which no row holds: without the authenticator nobody reads it.
    """

    __tablename__ = "passkeys"
    __table_args__ = WITHOUT_ROWID

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    account_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), index=True)
    credential: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), unique=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    address: Mapped[bytes] = mapped_column(LargeBinary)


class SpentChallenge(Base):
    """A challenge that was answered, by its random number, until it would have ended anyway.

    `ends_at` is a full hour: it does not say to the second when somebody signed in.
    """

    __tablename__ = "passkey_challenges"
    __table_args__ = WITHOUT_ROWID

    number: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), primary_key=True)
    ends_at: Mapped[datetime] = mapped_column(Utc, index=True)
