"""Tables of second factors. No row says when somebody was here, but for those that live for minutes."""

from datetime import datetime

from sqlalchemy import LargeBinary, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base, Utc
from portal.crypto.vault import INDEX_BYTES

PURPOSE_LENGTH = 16


class OneTimeCode(Base):
    """The secret of an account's authenticator app, encrypted under a key that both processes have.

    `last_step` is a keyed hash of the last 30-second step whose code was used: no code signs in twice, and
    the row does not say when it was. The other times are days.
    """

    __tablename__ = "one_time_codes"
    __table_args__ = WITHOUT_ROWID

    account_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    last_step: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES))
    added_on: Mapped[datetime] = mapped_column(Utc)
    used_on: Mapped[datetime | None] = mapped_column(Utc)


class RecoveryCode(Base):
    """One unused recovery code, as a keyed hash; using it deletes the row."""

    __tablename__ = "recovery_codes"
    __table_args__ = WITHOUT_ROWID

    key: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), primary_key=True)
    account_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), index=True)


class Proof(Base):
    """What one browser has proved so far, while something is still missing; `proofs.py` says what.

    It is found by a token that only the browser has, and valid while the account keeps its version.
    """

    __tablename__ = "account_proofs"
    __table_args__ = WITHOUT_ROWID

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(PURPOSE_LENGTH))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    account_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), index=True)
    account_version: Mapped[int]
    # The session or the link that the proof is for; zeros where there is none.
    bound_to: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES))
    # Encrypted under the token.
    address: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime] = mapped_column(Utc, index=True)
    tries: Mapped[int] = mapped_column(SmallInteger, default=0)


class FactorRemoval(Base):
    """Somebody said that they lost every factor of an account, and is confirming it by two mails."""

    __tablename__ = "factor_removals"
    __table_args__ = WITHOUT_ROWID

    account_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES))
    account_version: Mapped[int]
    # A keyed hash of the code that confirmed it, which the second link needs again.
    code: Mapped[bytes | None] = mapped_column(LargeBinary(INDEX_BYTES))
    # When the first mail's link was confirmed, and when the second mail is to be sent, until it was.
    confirmed_at: Mapped[datetime | None] = mapped_column(Utc)
    mail_at: Mapped[datetime | None] = mapped_column(Utc, index=True)
    ends_at: Mapped[datetime] = mapped_column(Utc, index=True)
