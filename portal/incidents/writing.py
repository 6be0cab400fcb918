"""Store versions of statements and wordings of updates, and sign the updates that are mailed to subscribers.

An update for subscribers carries a row MAC over its text, computed by an author's command that has the
worker's keys.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from hmac import compare_digest

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.crypto.vault import WorkerVault
from portal.incidents.models import PHASES, PUBLISHED, Incident, Section, Statement, Update, Wording
from portal.incidents.service import Published, invalidate_pages, locked, wordings_of
from portal.incidents.service import publish as make_public
from portal.incidents.service import set_discreet as store_discreet
from portal.incidents.service import set_title as store_title

log = logging.getLogger("portal.incidents")

MAX_UPDATE_NUMBER = 2**31 - 1  # the largest integer of the databases
# Of all sections together, or of an update: a longer mail is not read, and some mail programs cut it.
MAX_MAILED = 6000
Details = dict[str, str | int | bool | None]


class NoteMissing(ValueError):
    """A correction needs a note that says what it corrects."""


class TitleMissing(ValueError):
    """An update's first text in a language needs a title."""


class UpdateUnknown(LookupError):
    """The incident has no update of this number."""


class Notify(Enum):
    """Whether subscribers get an update by mail; UNCHANGED means no for a new update."""

    YES = "yes"
    NO = "no"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class StatementText:
    """The text of one version of the statement in one language."""

    language: str
    title: str
    signed_by: str
    role: str
    note: str | None
    apology: str
    sections: Sequence[Section]
    summary: str | None = None


@dataclass(frozen=True)
class UpdateText:
    """The text of an update; None keeps the stored value."""

    language: str
    phase: str | None
    title: str | None
    body: str
    occurred_at: datetime | None
    notify: Notify


@dataclass(frozen=True)
class Edited:
    """The result of an edit: `translated` if it added a language, `announced` if it was mailed before."""

    update: Update
    translated: bool
    announced: bool


def characters(sections: Sequence[Section]) -> int:
    """Return the length of sections with their headings, which the notice holds up to `MAX_MAILED`."""
    return sum(len(heading) + len(text) for heading, text in sections)


def add_statement(session: Session, slug: str, text: StatementText, now: datetime) -> Statement:
    """Store a draft of the statement.

    It replaces the draft in its language if there is one, otherwise it becomes the translation of the
    newest version if that lacks its language, otherwise a new version. Raises IncidentUnknown,
    NoteMissing.
    """
    incident = locked(session, slug)
    known = list(session.scalars(select(Statement).where(Statement.incident_id == incident.id)))
    newest = max((one.number for one in known), default=0)
    of_newest = {one.language: one for one in known if one.number == newest}
    waiting = next((one for one in known if one.language == text.language and one.published_at is None), None)
    if waiting is not None:
        number = waiting.number
    else:
        number = newest if of_newest and text.language not in of_newest else newest + 1
    if number > 1 and not text.note:
        raise NoteMissing(
            f"version {number} corrects an earlier one: add a line `note: ...` that says what and why"
        )
    statement = waiting or Statement(incident_id=incident.id, number=number, language=text.language)
    statement.title, statement.signed_by, statement.role = text.title, text.signed_by, text.role
    statement.note, statement.apology, statement.written_at = text.note, text.apology, now
    statement.summary = text.summary
    statement.sections_json = json.dumps([list(section) for section in text.sections], ensure_ascii=False)
    session.add(statement)
    session.flush()
    details: Details = {"version": number, "language": text.language}
    audit.record(session, "incidents.statement", slug, details, now)
    return statement


def add_update(session: Session, slug: str, text: UpdateText, now: datetime) -> Update:
    """Add an entry to the timeline, public at once if the incident is; `text` needs a phase and a title."""
    incident = locked(session, slug)
    if text.phase is None or text.title is None:
        message = "a new update needs a phase and a title"
        raise ValueError(message)
    last = session.scalar(select(func.max(Update.number)).where(Update.incident_id == incident.id)) or 0
    public = incident.state == PUBLISHED
    row = Update(
        incident_id=incident.id,
        number=last + 1,
        phase=text.phase,
        occurred_at=text.occurred_at or now,
        written_at=now,
        published_at=now if public else None,
        notify=text.notify is Notify.YES,
    )
    session.add(row)
    session.flush()
    session.add(_wording(row, text.language, 1, text.title, text.body, now))
    _record(session, incident, row, "incidents.update", text.language, now)
    return row


def find_duplicate(session: Session, slug: str, text: UpdateText) -> int | None:
    """Return the number of the newest update if its text is the same, as after a command run twice."""
    incident = locked(session, slug)
    newest = select(Update).where(Update.incident_id == incident.id).order_by(Update.number.desc()).limit(1)
    row = session.scalar(newest)
    if row is None or row.phase != text.phase:
        return None
    texts = {(one.language, one.title, one.body) for one in wordings_of(session, row)}
    return row.number if (text.language, text.title, text.body) in texts else None


def edit_update(session: Session, slug: str, number: int, text: UpdateText, now: datetime) -> Edited:
    """Change an update's text in a language, or add a language; earlier wordings stay stored.

    Raises IncidentUnknown, UpdateUnknown, TitleMissing.
    """
    incident = locked(session, slug)
    row = update_of(session, incident, number)
    wordings = wordings_of(session, row)
    before = {one.language: one for one in wordings}
    same = before.get(text.language)
    title = text.title or (same.title if same else None)
    if title is None:
        raise TitleMissing(
            f"update {number} has no text in {text.language} yet: give its title with --title, "
            "or as title: in the front matter"
        )
    changed = same is not None and (same.title, same.body) != (title, text.body)
    phase, occurred_at = text.phase or row.phase, text.occurred_at or row.occurred_at
    moved = (phase, occurred_at) != (row.phase, row.occurred_at)
    row.phase, row.occurred_at = phase, occurred_at
    if text.notify is not Notify.UNCHANGED and row.announced_at is None:
        row.notify = text.notify is Notify.YES
    if changed or moved:
        row.edited_at = now
    if same is None or changed or moved:
        session.add(_wording(row, text.language, len(wordings) + 1, title, text.body, now))
    _record(session, incident, row, "incidents.edit-update", text.language, now)
    return Edited(row, translated=same is None, announced=row.announced_at is not None)


def update_of(session: Session, incident: Incident, number: int) -> Update:
    """Return an update, including drafts. Raises UpdateUnknown."""
    query = select(Update).where(Update.incident_id == incident.id, Update.number == number)
    row = session.scalar(query) if number <= MAX_UPDATE_NUMBER else None
    if row is None:
        raise UpdateUnknown(
            f"{incident.slug} has no update {number}. See: portal incidents show {incident.slug}"
        )
    return row


def _wording(row: Update, language: str, number: int, title: str, body: str, now: datetime) -> Wording:
    return Wording(
        update_id=row.id,
        language=language,
        number=number,
        title=title,
        body=body,
        phase=row.phase,
        occurred_at=row.occurred_at,
        at=now,
    )


def _record(
    session: Session, incident: Incident, row: Update, action: str, language: str, now: datetime
) -> None:
    session.flush()
    if row.published_at is not None:
        invalidate_pages(session)
    details: Details = {"update": row.number, "phase": row.phase, "language": language, "notify": row.notify}
    audit.record(session, action, incident.slug, details, now)


@dataclass(frozen=True)
class Announcement:
    """An update to be mailed to subscribers, with its titles and texts (Markdown) in all languages.

    `incident_titles` holds the incident's titles by language; the one in the portal's default language
    has the empty string as its key. The mails of a `discreet` incident say only that there is news. So
    do those of an update that an earlier version signed: its MAC covers neither, and `bodies` is None.
    """

    update_id: bytes
    incident_id: bytes
    slug: str
    number: int
    phase: str
    occurred_at: datetime
    titles: dict[str, str]
    bodies: dict[str, str] | None
    original_language: str
    incident_titles: dict[str, str]
    public: bool
    discreet: bool

    @property
    def path(self) -> str:
        """Return the permanent path of the update below the base URL."""
        return f"/incidents/{self.slug}/updates/{self.number}/"

    @property
    def phase_words(self) -> str:
        """Return the label of the phase as a message id."""
        return PHASES[self.phase]

    def title(self, language: str) -> tuple[str, str]:
        """Return (language, title) in the reader's language, or in the original one if not translated."""
        shown = language if language in self.titles else self.original_language
        return shown, self.titles[shown]

    def incident_title(self, language: str) -> str:
        """Return the incident's title in a language, or in the portal's default language."""
        return self.incident_titles.get(language, self.incident_titles[""])

    def row_mac(self, vault: WorkerVault) -> bytes:
        """Return the row MAC over all that decides what a mail says, and over the public state."""
        words = [sorted(self.titles.items()), self.original_language, sorted(self.incident_titles.items())]
        at = self.occurred_at.astimezone(UTC).isoformat(timespec="microseconds")
        ids = (self.update_id, self.incident_id, self.slug, self.number, self.phase, at)
        values = (*ids, int(self.public), json.dumps(words))
        if self.bodies is None:
            return vault.row_mac("announcement", *values)
        # Two more values than in an earlier version: neither form passes as the other.
        bodies = json.dumps(sorted(self.bodies.items()))
        return vault.row_mac("announcement", *values, bodies, int(self.discreet))


def waiting(session: Session, vault: WorkerVault) -> list[Announcement]:
    """Return the public updates that are still to be mailed to subscribers, oldest first.

    The web process can write this table, and must not be able to mail its own text to people: an update
    without a valid row MAC is only logged.
    """
    rows = session.scalars(
        select(Update)
        .where(Update.notify, Update.announced_at.is_(None), Update.published_at.is_not(None))
        .order_by(Update.published_at, Update.number)
    )
    found = []
    for row in rows:
        announcement = signed(session, vault, row)
        if announcement is not None:
            found.append(announcement)
        else:
            log.error(
                "incidents: update %s was altered or inserted without the worker's keys, nobody is mailed; "
                "check its text, then run portal incidents update SLUG FILE --edit ID",
                row.id.hex(),
            )
    return found


def sign(session: Session, vault: WorkerVault, row: Update) -> None:
    """Sign an update, so that the worker mails its current text."""
    row.row_mac = _announcement(session, row).row_mac(vault)
    session.flush()


def publish(session: Session, vault: WorkerVault | None, slug: str, now: datetime) -> Published:
    """Publish an incident and all its drafts, and sign again the updates that were signed for subscribers.

    Without a vault nothing is signed, so nobody is mailed. Raises IncidentUnknown.
    """
    with _signed_again(session, vault, slug):
        return make_public(session, slug, now)


def set_title(
    session: Session, vault: WorkerVault | None, slug: str, title: str, language: str | None, now: datetime
) -> None:
    """Set an incident's title in a language (None: the default one), and sign again the signed updates.

    The title is part of the mails about updates, so it is covered by their MACs. Raises IncidentUnknown,
    TitleInvalid.
    """
    with _signed_again(session, vault, slug):
        store_title(session, slug, title, language, now)


def set_discreet(
    session: Session, vault: WorkerVault | None, slug: str, now: datetime, *, discreet: bool
) -> None:
    """Store whether mails about an incident say only that there is a message, and sign the updates again.

    Raises IncidentUnknown.
    """
    with _signed_again(session, vault, slug):
        store_discreet(session, slug, now, discreet=discreet)


@contextmanager
def _signed_again(session: Session, vault: WorkerVault | None, slug: str) -> Iterator[None]:
    """Sign again, after a change of what their MACs cover, the updates that were signed before it."""
    rows = unannounced(session, locked(session, slug).id)
    before = [] if vault is None else [(row, signed(session, vault, row)) for row in rows]
    yield
    for row, found in before:
        if vault is not None and found is not None:
            now = _announcement(session, row)
            # One that an earlier version signed stays without its text, which its MAC did not cover.
            form = now if found.bodies is not None else replace(now, bodies=None)
            row.row_mac = form.row_mac(vault)
    session.flush()


def unannounced(session: Session, incident_id: bytes) -> list[Update]:
    """Return the updates of an incident that are still to be mailed, signed or not."""
    waits = (Update.incident_id == incident_id) & Update.notify & Update.announced_at.is_(None)
    return list(session.scalars(select(Update).where(waits).order_by(Update.number)))


def signed(session: Session, vault: WorkerVault, row: Update) -> Announcement | None:
    """Return an update as it was signed, or None if its row MAC does not match what it says now."""
    found = _announcement(session, row)
    for form in (found, replace(found, bodies=None, discreet=True)):
        if row.row_mac is not None and compare_digest(row.row_mac, form.row_mac(vault)):
            return form
    return None


def mark_announced(session: Session, update_id: bytes, now: datetime) -> bool:
    """Mark that an update's mails are queued; return False if another worker was first."""
    marked = session.execute(
        update(Update)
        .where(Update.id == update_id, Update.announced_at.is_(None))
        .values(announced_at=now)
        .returning(Update.id)
    )
    return marked.scalar_one_or_none() is not None


def _announcement(session: Session, row: Update) -> Announcement:
    wordings = wordings_of(session, row)
    incident = session.get_one(Incident, row.incident_id)
    return Announcement(
        update_id=row.id,
        incident_id=row.incident_id,
        slug=incident.slug,
        number=row.number,
        phase=row.phase,
        occurred_at=row.occurred_at,
        titles={wording.language: wording.title for wording in wordings},
        bodies={wording.language: wording.body for wording in wordings},
        original_language=wordings[0].language if wordings else "",
        incident_titles={"": incident.title, **incident.titles},
        public=row.published_at is not None,
        discreet=incident.discreet,
    )
