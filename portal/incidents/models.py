"""Tables of incidents: the incident, versions of its statement, updates of its timeline, their wordings."""

import json
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    JSON,
    Connection,
    Date,
    ForeignKey,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    false,
    inspect,
)
from sqlalchemy.orm import Mapped, Mapper, mapped_column

from portal.core.db import ID_BYTES, Base, Utc, new_id
from portal.core.i18n import mark as N_
from portal.crypto.vault import ROW_MAC_BYTES

DRAFT = "draft"
PUBLISHED = "published"
RESOLVED = "resolved"
WHOLE = 5  # sections of a statement that is no holding one
SLUG_LENGTH = 60
TITLE_LENGTH = 200
LANGUAGE_LENGTH = 16
HASH_BYTES = 32
CONTENT = 1

# The phases of a response in their usual order, each with its label as a message id.
PHASES = {
    "detected": N_("Detected"),
    "contained": N_("Contained"),
    "investigating": N_("Investigating"),
    "authorities-informed": N_("Authorities informed"),
    "insurer-informed": N_("Insurer informed"),
    "customers-notified": N_("Customers notified"),
    "safeguards-in-place": N_("Safeguards in place"),
    RESOLVED: N_("Resolved"),
}


class PublishedIsFinal(Exception):
    """A published statement is immutable: a correction is a new version with a note."""


class Section(NamedTuple):
    """One of the five sections: the heading as written by its author, and its Markdown."""

    heading: str
    text: str


class Incident(Base):
    """One breach.

    `title` is in the portal's default language, `titles` holds the others by language. `classes` are the
    names of the exposed data classes, separated by `;`; `staged_classes` replaces them with the next publish.
    The mails about a `discreet` one say only that there is a message. `happened_on` is the day that the
    notice's subject names. `more_by` is when the next statement is due, as a holding statement promised;
    `promises` holds what each text said of that, the oldest first: see `promise`.
    """

    __tablename__ = "incidents"

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True, default=new_id)
    slug: Mapped[str] = mapped_column(String(SLUG_LENGTH), unique=True)
    title: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    titles: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    classes: Mapped[str] = mapped_column(Text)
    staged_classes: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(12), default=DRAFT)
    created_at: Mapped[datetime] = mapped_column(Utc)
    published_at: Mapped[datetime | None] = mapped_column(Utc)
    discreet: Mapped[bool] = mapped_column(default=False, server_default=false())
    happened_on: Mapped[date | None] = mapped_column(Date)
    discovered_at: Mapped[datetime | None] = mapped_column(Utc)
    more_by: Mapped[datetime | None] = mapped_column(Utc)
    promises: Mapped[list[dict[str, str | None]]] = mapped_column(JSON, default=list, server_default="[]")

    @property
    def urn(self) -> str:
        """Return the permanent id of the incident in feeds."""
        return _urn(self.id)

    def title_in(self, language: str) -> str:
        """Return the title in a language, or in the portal's default language if it has none."""
        return self.titles.get(language, self.title)

    def title_language(self, language: str, default: str) -> str:
        """Return the language that `title_in` returns; `default` is the portal's."""
        return language if language in self.titles else default

    def promise(self, more_by: datetime | None, by: str | None) -> bool:
        """Note by when readers are told more, and which text says so; return whether that is another time.

        An entry is `by` a text, like `update 7`, or nobody knows by which. It is `new` where it changed what
        stood. Its text was withdrawn where it has a `fate`: `kept` stands all the same, `gone` does not.
        """
        changed = self.more_by != more_by
        at = None if more_by is None else more_by.astimezone(UTC).isoformat()
        entry = {"by": by, "more_by": at} | ({"new": "yes"} if changed else {})
        self.more_by, self.promises = more_by, [*(self.promises or []), entry]
        return changed

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names of the exposed data classes."""
        return tuple(name for name in self.classes.split(";") if name)

    @property
    def next_class_names(self) -> tuple[str, ...]:
        """Return the names of the data classes once everything staged is published."""
        staged = self.classes if self.staged_classes is None else self.staged_classes
        return tuple(name for name in staged.split(";") if name)


class Withdrawable:
    """What is kept of a text that was withdrawn in public: when, why, and its SHA-256 unless it is erased.

    `withdrawn_for` is in what was the portal's default language then, `withdrawn_language`, where that was
    noted; `withdrawn_in` holds the reason by other languages.
    """

    withdrawn_at: Mapped[datetime | None] = mapped_column(Utc)
    withdrawn_for: Mapped[str | None] = mapped_column(Text)
    withdrawn_language: Mapped[str | None] = mapped_column(String(LANGUAGE_LENGTH))
    withdrawn_in: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    text_hash: Mapped[bytes | None] = mapped_column(LargeBinary(HASH_BYTES))


class Statement(Withdrawable, Base):
    """One version of the statement in one language; a draft until `published_at` is set, then immutable.

    The notice shows `summary` instead of sections that are too long for a mail.
    """

    __tablename__ = "incidents_statements"
    __table_args__ = (UniqueConstraint("incident_id", "number", "language"),)

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True, default=new_id)
    incident_id: Mapped[bytes] = mapped_column(ForeignKey("incidents.id"))
    number: Mapped[int]
    language: Mapped[str] = mapped_column(String(LANGUAGE_LENGTH))
    title: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    signed_by: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    role: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    note: Mapped[str | None] = mapped_column(Text)
    summary: Mapped[str | None] = mapped_column(Text)
    apology: Mapped[str] = mapped_column(Text)
    sections_json: Mapped[str] = mapped_column(Text)
    written_at: Mapped[datetime] = mapped_column(Utc)
    published_at: Mapped[datetime | None] = mapped_column(Utc)

    @property
    def sections(self) -> list[Section]:
        """Return the sections in their order."""
        return [Section(*pair) for pair in json.loads(self.sections_json)]

    @property
    def whole(self) -> bool:
        """Whether it has all five sections, which a holding statement lacks."""
        return len(self.sections) == WHOLE


class Update(Withdrawable, Base):
    """One entry of the timeline; `number` is its public id within the incident, `Wording` holds its texts.

    `occurred_on` is set where its author gave a day without a time; `occurred_at` is then the start of that
    day in the organisation's time zone, and nobody is shown it.
    """

    __tablename__ = "incidents_updates"
    __table_args__ = (UniqueConstraint("incident_id", "number"),)

    id: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), primary_key=True, default=new_id)
    incident_id: Mapped[bytes] = mapped_column(ForeignKey("incidents.id"))
    number: Mapped[int]
    uuid: Mapped[bytes] = mapped_column(LargeBinary(ID_BYTES), default=new_id, unique=True)
    phase: Mapped[str] = mapped_column(String(24))
    occurred_at: Mapped[datetime] = mapped_column(Utc)
    occurred_on: Mapped[date | None] = mapped_column(Date)
    written_at: Mapped[datetime] = mapped_column(Utc)
    published_at: Mapped[datetime | None] = mapped_column(Utc)
    edited_at: Mapped[datetime | None] = mapped_column(Utc)
    notify: Mapped[bool]
    announced_at: Mapped[datetime | None] = mapped_column(Utc)
    row_mac: Mapped[bytes | None] = mapped_column("voucher", LargeBinary(ROW_MAC_BYTES))

    @property
    def urn(self) -> str:
        """Return the id of the entry in feeds; it is stored with the row, so edits do not change it."""
        return _urn(self.uuid)


class Wording(Base):
    """The text of an update in one language from `at` on; per language the highest number is shown."""

    __tablename__ = "incidents_wordings"

    update_id: Mapped[bytes] = mapped_column(ForeignKey("incidents_updates.id"), primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    language: Mapped[str] = mapped_column(String(LANGUAGE_LENGTH))
    title: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    body: Mapped[str] = mapped_column(Text)
    phase: Mapped[str] = mapped_column(String(24))
    occurred_at: Mapped[datetime] = mapped_column(Utc)
    occurred_on: Mapped[date | None] = mapped_column(Date)
    at: Mapped[datetime] = mapped_column(Utc)


class Schedule(Base):
    """The publication of an incident's drafts at a set time, as an author confirmed it.

    `content` is JSON: the drafts with their hashes, and what goes with them. The row MAC covers it and the
    time. `fault` says why it was not published then.
    """

    __tablename__ = "incidents_schedules"

    incident_id: Mapped[bytes] = mapped_column(ForeignKey("incidents.id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(Utc)
    content: Mapped[str] = mapped_column(Text)
    row_mac: Mapped[bytes] = mapped_column(LargeBinary(ROW_MAC_BYTES))
    fault: Mapped[str | None] = mapped_column(Text)


class Content(Base):
    """A single row whose number grows with every public change, so that cached pages are rendered again."""

    __tablename__ = "incidents_content"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int]


def _urn(identifier: bytes) -> str:
    return UUID(bytes=identifier, version=4).urn


# The row is part of the schema: without it no process could detect that a cached page is out of date.
@event.listens_for(Content.__table__, "after_create")
def _add_content(table: Table, connection: Connection, **_options: object) -> None:
    connection.execute(table.insert().values(id=CONTENT, number=1))


@event.listens_for(Statement, "before_update")
@event.listens_for(Statement, "before_delete")
def _keep_published(_mapper: Mapper[Any], _connection: Connection, statement: Statement) -> None:
    history = inspect(statement).attrs.published_at.history
    before = history.deleted if history.has_changes() else history.unchanged
    if before and before[0] is not None:
        message = f"version {statement.number} of the statement is published: write a new version with a note"
        raise PublishedIsFinal(message)
