"""Tables of notices: their waves and progress, and their frozen words and subjects by language."""

from datetime import datetime

from sqlalchemy import BigInteger, Integer, LargeBinary, SmallInteger, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import ID_BYTES, Base, Utc, new_id
from portal.crypto.vault import ROW_MAC_BYTES

KEY_BYTES = 32
LANGUAGE_LENGTH = 16
SUBJECT_LENGTH = 200

FIRST, SUPPLEMENTARY, CORRECTION = "first", "supplementary", "correction"
KINDS = (FIRST, SUPPLEMENTARY, CORRECTION)

DRAFT, RUNNING, PAUSED, STOPPED, ENDED = "draft", "running", "paused", "stopped", "ended"
# What `hold` asks for.
PAUSE, STOP = "pause", "stop"

WAITING, DONE = "waiting", "done"
# Every severity that an address can have.
WORST, LEAST = 5, 0

# The row MAC of a notice that began before there were series covers fewer columns.
FORMER, SERIES = 0, 1


class Campaign(Base):
    """One notice of an incident's series, to people of one list version; its mails carry its id as batch.

    `hold` asks to pause or stop it, and may be set without the worker's keys; the worker then sets `state`,
    which is under the row MAC. It is `ended` once every wave is queued. `audience` is JSON, empty for a
    notice of an earlier version; `expected` is the number of mails that was counted when it was drafted.

    `addresses` is the number of addresses on the list. `written` of them got a mail from this notice,
    `earlier` from one that tells the same; `left_out` get none, because all their people are left out on
    request, and `outside` none, because they are not in the audience. `per_hour` is the most mails queued
    in an hour, and `next_at` when the next may be. The mails of one that is not `frozen` are neutral: the
    incident is discreet, or the notice began in an earlier version of the portal.
    """

    __tablename__ = "notices"
    __table_args__ = (UniqueConstraint("incident_id", "number"),)

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True, default=new_id)
    incident_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES))
    number: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    list_id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"))
    state: Mapped[str] = mapped_column(String(12))
    hold: Mapped[str | None] = mapped_column(String(12))
    format: Mapped[int] = mapped_column(SmallInteger, default=SERIES)
    drafted_at: Mapped[datetime] = mapped_column(Utc)
    begun_at: Mapped[datetime | None] = mapped_column(Utc)
    ended_at: Mapped[datetime | None] = mapped_column(Utc)
    addresses: Mapped[int]
    expected: Mapped[int]
    written: Mapped[int] = mapped_column(default=0)
    earlier: Mapped[int] = mapped_column(default=0)
    left_out: Mapped[int] = mapped_column(default=0)
    outside: Mapped[int] = mapped_column(default=0)
    audience: Mapped[str] = mapped_column(Text, default="")
    per_hour: Mapped[int | None]
    next_at: Mapped[datetime | None] = mapped_column(Utc)
    frozen: Mapped[bool] = mapped_column(default=False)
    lane: Mapped[int | None] = mapped_column(SmallInteger)
    # JSON: who was left out when it was drafted, without names; empty where it is not bound to that.
    without: Mapped[str] = mapped_column(Text, default="", server_default="")
    # Made with the worker's keys: a row that was inserted or altered without them mails nobody.
    row_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))

    @property
    def waiting(self) -> int:
        """Return the number of addresses not yet processed."""
        return self.addresses - self.written - self.earlier - self.left_out - self.outside

    @property
    def needs_list(self) -> bool:
        """Return whether its list must stay: it has begun, is not stopped, and not every wave is queued."""
        return self.begun_at is not None and self.ended_at is None


class Wave(Base):
    """One pass over the list of a notice, which queues some of its mails; waves go out in their order.

    It is for addresses whose worst data class has a severity from `least` to `worst`, at most `limit` mails,
    and not before a time. `cursor` is the key of the last person whom it has processed; a wave of the same
    severities goes on there. All but progress is under the row MAC of the notice.
    """

    __tablename__ = "notice_waves"

    notice_id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    worst: Mapped[int] = mapped_column(SmallInteger, default=WORST)
    least: Mapped[int] = mapped_column(SmallInteger, default=LEAST)
    limit: Mapped[int | None]
    not_before: Mapped[datetime | None] = mapped_column(Utc)
    expected: Mapped[int]
    state: Mapped[str] = mapped_column(String(12), default=WAITING)
    cursor: Mapped[bytes] = mapped_column(LargeBinary(KEY_BYTES), default=b"")
    written: Mapped[int] = mapped_column(default=0)
    begun_at: Mapped[datetime | None] = mapped_column(Utc)
    ended_at: Mapped[datetime | None] = mapped_column(Utc)


class NoticeWords(Base):
    """What a notice says in one language, frozen when it is drafted; never changed, so that all get the same.

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
