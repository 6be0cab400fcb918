"""Tables of notices: their progress, and their frozen words and subjects by language."""

from datetime import datetime

from sqlalchemy import BigInteger, Integer, LargeBinary, String, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, Base, Utc, new_id
from portal.crypto.vault import ROW_MAC_BYTES

KEY_BYTES = 32
LANGUAGE_LENGTH = 16
SUBJECT_LENGTH = 200


class Campaign(Base):
    """One notice to everyone on one list version; its mails carry its id as their batch.

    `addresses` is the number of addresses on the list. `written` of them got a mail from this campaign,
    `earlier` from a notice to an earlier version; `left_out` get none, because all their people are left out
    on request. `last_key` is the key of the last person processed, in list
    order. The mails of one that is not `frozen` are neutral: the incident is discreet, or the notice began
    in an earlier version of the portal.
    """

    __tablename__ = "campaigns"
    __table_args__ = (UniqueConstraint("incident_id", "list_id"),)

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True, default=new_id)
    incident_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES))
    list_id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"))
    begun_at: Mapped[datetime] = mapped_column(Utc)
    ended_at: Mapped[datetime | None] = mapped_column(Utc)
    addresses: Mapped[int]
    written: Mapped[int] = mapped_column(default=0)
    earlier: Mapped[int] = mapped_column(default=0)
    left_out: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    last_key: Mapped[bytes] = mapped_column(LargeBinary(KEY_BYTES), default=b"")
    frozen: Mapped[bool] = mapped_column(default=False, server_default=false())
    # Made with the worker's keys: a row that was inserted or altered without them mails nobody.
    row_mac: Mapped[bytes] = mapped_column("voucher", LargeBinary(ROW_MAC_BYTES))

    @property
    def waiting(self) -> int:
        """Return the number of addresses not yet processed."""
        return self.addresses - self.written - self.earlier - self.left_out


class NoticeWords(Base):
    """What a notice says in one language, frozen when it began; never changed, so that all get the same.

    `content` is JSON. The row MAC covers it, the audience (`incident_id`, `list_id`, `addresses`) and the
    languages of the notice's other rows.
    """

    __tablename__ = "campaigns_words"

    notice_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    language: Mapped[str] = mapped_column(String(LANGUAGE_LENGTH), primary_key=True)
    incident_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES))
    list_id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"))
    addresses: Mapped[int]
    content: Mapped[str] = mapped_column(Text)
    row_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))


class Subject(Base):
    """The subject that the operator set for an incident's next notice in one language, under a row MAC."""

    __tablename__ = "campaigns_subjects"

    incident_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    language: Mapped[str] = mapped_column(String(LANGUAGE_LENGTH), primary_key=True)
    subject: Mapped[str] = mapped_column(String(SUBJECT_LENGTH))
    row_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))
