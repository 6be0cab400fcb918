"""The tables of subscriptions, suppressions, the progress of announcements, and what their mails say."""

from sqlalchemy import Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, WITHOUT_ROWID, Base
from portal.crypto.vault import INDEX_BYTES, ROW_MAC_BYTES

LANGUAGE_LENGTH = 16


class Subscription(Base):
    """One confirmed address for one incident.

    Both indexes are keyed hashes that only the worker can compute. No time is stored, so nothing links a row
    to the moment of its sign-up.
    """

    __tablename__ = "subscriptions"

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    incident_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES))
    index: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), unique=True)
    suppression: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES))
    contact: Mapped[bytes] = mapped_column(LargeBinary)
    unsubscribe_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)

    __table_args__ = (Index("ix_subscriptions_in_order", "incident_id", "index"), WITHOUT_ROWID)


class Suppression(Base):
    """An index that unsubscribed: it gets no update until a new subscription is confirmed."""

    __tablename__ = "subscription_suppressions"
    __table_args__ = WITHOUT_ROWID

    index: Mapped[bytes] = mapped_column(LargeBinary(INDEX_BYTES), primary_key=True)


class Announcement(Base):
    """The progress of queueing one update: up to and including `reached`. Deleted at the end."""

    __tablename__ = "subscription_announcements"

    update_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    reached: Mapped[bytes | None] = mapped_column(LargeBinary(INDEX_BYTES))
    enqueued: Mapped[int] = mapped_column(default=0)


class FrozenUpdate(Base):
    """What the mails about an update say in one language, frozen when the first of them is queued.

    `content` is JSON. The row MAC covers it and the languages of the update's other rows.
    """

    __tablename__ = "subscriptions_words"

    update_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    language: Mapped[str] = mapped_column(String(LANGUAGE_LENGTH), primary_key=True)
    content: Mapped[str] = mapped_column(Text)
    row_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))
