"""Read what pages and feeds show: each text in the reader's language, or in its own if not translated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from babel import Locale
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core.i18n import mark as N_
from portal.incidents.models import PHASES, RESOLVED, Incident, Statement, Update, Wording
from portal.incidents.publishing.withdrawn import (
    Withdrawal,
    WithdrawnVersion,
    withdrawal_of,
    withdrawn_versions,
    words_in_place,
)
from portal.incidents.service import wordings_of
from portal.web import markdown

# The state of the response, as the sentence that follows the statement's title.
SO_FAR = {
    "detected": N_("We know what’s happening, and we’re acting."),
    "contained": N_("We’ve closed the gap the thief used."),
    "investigating": N_("We’re finding out how it happened."),
    "authorities-informed": N_("We’ve told the authorities, and we’re answering their questions."),
    "insurer-informed": N_("We’ve told our insurer, and we’re still working on this."),
    "customers-notified": N_("We’re writing to everyone affected."),
    "safeguards-in-place": N_("We’ve added new protection for your data."),
    "resolved": N_("The investigation is finished. We’re still here to help."),
}
LATE = timedelta(days=1)
SECTION_TOP = 3
ENTRY_TOP = 4
PAGE_TOP = 2


@dataclass(frozen=True)
class Entry:
    """An update as it is shown; `phase` is the label of the phase as a message id.

    One that was withdrawn has a `withdrawal`, and its `wording` says that alone.
    """

    update: Update
    path: str
    phase: str
    wording: Wording
    original: str
    translated: bool
    published_at: datetime
    updated_at: datetime
    withdrawal: Withdrawal | None = None

    @property
    def title(self) -> str:
        """Return the title in the shown language."""
        return self.wording.title

    @property
    def language(self) -> str:
        """Return the language of title and text."""
        return self.wording.language

    @property
    def late(self) -> datetime | None:
        """Return the time of publication if it is a day or more after the event, otherwise None."""
        return self.published_at if self.published_at - self.update.occurred_at >= LATE else None

    @property
    def html(self) -> Markup:
        """Return the text for the timeline, below a heading of level three."""
        return markdown.on_page(markdown.render(self.wording.body, ENTRY_TOP), self.path)

    @property
    def page_html(self) -> Markup:
        """Return the text for the page of the update."""
        return markdown.on_page(markdown.render(self.wording.body, PAGE_TOP), self.path)


@dataclass(frozen=True)
class Version:
    """One version of the statement in the shown language; `at` is its publication, None for a draft.

    `path` is the page of its incident, which relative links in its text begin at.
    """

    number: int
    statement: Statement
    languages: tuple[str, ...]
    at: datetime | None
    path: str

    @property
    def sentence(self) -> str:
        """Return the title with a final full stop, so that another sentence can follow."""
        title = self.statement.title
        return title if title.endswith((".", "!", "?", "…", "。")) else f"{title}."

    @property
    def apology(self) -> Markup:
        """Return the apology as sanitised HTML."""
        return markdown.on_page(markdown.render(self.statement.apology, SECTION_TOP), self.path)

    @property
    def sections(self) -> list[tuple[str, Markup]]:
        """Return the sections as (heading, sanitised HTML)."""
        return [
            (heading, markdown.on_page(markdown.render(text, SECTION_TOP), self.path))
            for heading, text in self.statement.sections
        ]


@dataclass(frozen=True)
class PhaseStep:
    """A phase of the response, its label a message id; `at` is when it was first reached, None if not yet."""

    label: str
    at: datetime | date | None
    current: bool


@dataclass(frozen=True)
class Page:
    """The content of an incident's page; `versions` and `entries` are sorted newest first.

    `language` is the reader's.
    """

    incident: Incident
    language: str
    title: str
    title_language: str
    versions: list[Version]
    entries: list[Entry]
    withdrawn: list[WithdrawnVersion]

    @property
    def version(self) -> Version | None:
        """Return the current version of the statement, or None."""
        return self.versions[0] if self.versions else None

    @property
    def version_language(self) -> str:
        """Return the name of the current version's language, in the reader's."""
        spoken = self.version.statement.language if self.version else self.language
        name = Locale.parse(spoken, sep="-").get_display_name(Locale.parse(self.language, sep="-"))
        return name or spoken

    @property
    def translated_version(self) -> int | None:
        """Return the newest version in the reader's language, if the current one is in another."""
        if self.version is None or self.version.statement.language == self.language:
            return None
        return next((one.number for one in self.versions if self.language in one.languages), None)

    @property
    def path(self) -> str:
        """The incident's permanent address, below the base URL."""
        return f"/incidents/{self.incident.slug}/"

    @property
    def all_versions(self) -> list[Version | WithdrawnVersion]:
        """Return the versions of the statement, withdrawn ones too, newest first."""
        return sorted([*self.versions, *self.withdrawn], key=lambda one: -one.number)

    @property
    def withdrew(self) -> WithdrawnVersion | None:
        """Return the newest version if it was withdrawn and none replaces it."""
        newest = self.withdrawn[0] if self.withdrawn else None
        return newest if newest and (not self.version or self.version.number < newest.number) else None

    @property
    def latest(self) -> Entry | None:
        """Return the latest update that was not withdrawn: its phase is that of the response."""
        return self._standing[0] if self._standing else None

    @property
    def _standing(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.withdrawal is None]

    @property
    def so_far(self) -> str | None:
        """Return the state of the response as a message id, or None without updates."""
        return SO_FAR[self.latest.update.phase] if self.latest else None

    @property
    def steps(self) -> list[PhaseStep]:
        """Return the phases in their order: those that it went through, and those to come.

        One that was skipped is not to come, and nothing is once the incident is resolved.
        """
        reached = {
            entry.update.phase: entry.update.occurred_on or entry.update.occurred_at
            for entry in self._standing
        }
        current = self.latest.update.phase if self.latest else None
        order = list(PHASES)
        last = max((order.index(phase) for phase in reached), default=len(order))
        return [
            PhaseStep(label, reached.get(phase), phase == current)
            for phase, label in PHASES.items()
            if phase in reached or order.index(phase) > last
        ]

    @property
    def resolved(self) -> bool:
        """Whether the latest update says that the incident is resolved."""
        return self.latest is not None and self.latest.update.phase == RESOLVED

    @property
    def changed_at(self) -> datetime | None:
        """Return the time of the latest public change of the page, whenever what it tells of happened."""
        times = [entry.updated_at for entry in self.entries]
        # A text in the reader's language may have followed later than its version's first one.
        texts = (version.statement.published_at for version in self.versions)
        times += [at for at in texts if at]
        times += [version.withdrawal.at for version in self.withdrawn]
        return max(times, default=self.incident.published_at)


def first_of_phases(session: Session, incident: Incident) -> dict[str, Update]:
    """Return the first public update of each phase of an incident; those that were withdrawn do not count."""
    rows = session.scalars(
        select(Update)
        .where(Update.incident_id == incident.id)
        .where(Update.published_at.is_not(None), Update.withdrawn_at.is_(None))
        .order_by(Update.number.desc())
    )
    return {row.phase: row for row in rows}


def page(session: Session, incident: Incident, languages: Sequence[str], *, drafts: bool = False) -> Page:
    """Return an incident's page; `languages` are the reader's, then the default. `drafts` includes drafts."""
    return Page(
        incident=incident,
        language=languages[0],
        title=incident.title_in(languages[0]),
        title_language=title_language(incident, languages),
        versions=versions(session, incident, languages, drafts=drafts),
        entries=entries(session, [incident], languages, drafts=drafts),
        withdrawn=withdrawn_versions(session, incident, languages),
    )


def public_statements(session: Session, incident: Incident) -> list[Statement]:
    """Return the public versions of the statement in all languages, oldest first, but those withdrawn."""
    return list(
        session.scalars(
            select(Statement)
            .where(Statement.incident_id == incident.id, Statement.published_at.is_not(None))
            .where(Statement.withdrawn_at.is_(None))
            .order_by(Statement.number, Statement.language)
        )
    )


def title_language(incident: Incident, languages: Sequence[str]) -> str:
    """Return the language in which the reader sees an incident's title."""
    return languages[0] if languages[0] in incident.titles else languages[-1]


def versions(
    session: Session, incident: Incident, languages: Sequence[str], *, drafts: bool = False
) -> list[Version]:
    """Return the versions of the statement, newest first, each in the best available language.

    Those that were withdrawn are not among them.
    """
    standing = (Statement.incident_id == incident.id) & Statement.withdrawn_at.is_(None)
    query = select(Statement).where(standing).order_by(Statement.number.desc())
    if not drafts:
        query = query.where(Statement.published_at.is_not(None))
    by_number: dict[int, dict[str, Statement]] = {}
    for statement in session.scalars(query):
        by_number.setdefault(statement.number, {})[statement.language] = statement
    found = []
    path = f"/incidents/{incident.slug}/"
    for number, texts in by_number.items():
        public = [text.published_at for text in texts.values() if text.published_at]
        shown = texts[_best_language(sorted(texts), languages)]
        found.append(Version(number, shown, tuple(sorted(texts)), min(public, default=None), path))
    return found


def entries(
    session: Session, incidents: Sequence[Incident], languages: Sequence[str], *, drafts: bool = False
) -> list[Entry]:
    """Return the timeline of these incidents, newest first."""
    slugs = {incident.id: incident.slug for incident in incidents}
    query = select(Update).where(Update.incident_id.in_(slugs))
    if not drafts:
        query = query.where(Update.published_at.is_not(None))
    rows = list(session.scalars(query.order_by(Update.occurred_at.desc(), Update.number.desc())))
    words: dict[bytes, list[Wording]] = {}
    for wording in session.scalars(
        select(Wording)
        .join(Update, Update.id == Wording.update_id)
        .where(Update.incident_id.in_(slugs))
        .order_by(Wording.number)
    ):
        words.setdefault(wording.update_id, []).append(wording)
    return [_entry(row, slugs[row.incident_id], words[row.id], languages) for row in rows]


def entry(session: Session, incident: Incident, row: Update, languages: Sequence[str]) -> Entry:
    """Return one update as it is shown."""
    return _entry(row, incident.slug, wordings_of(session, row), languages)


@dataclass(frozen=True)
class Listed:
    """An incident in a list; `phase` is the label of its phase as a message id."""

    incident: Incident
    title: str
    title_language: str
    phase: str | None
    resolved: bool

    @property
    def path(self) -> str:
        """The incident's permanent address, below the base URL."""
        return f"/incidents/{self.incident.slug}/"


def listed(
    incidents: Sequence[Incident], phases: Mapping[bytes, str], languages: Sequence[str]
) -> list[Listed]:
    """Return incidents as list entries with their phases."""
    found = []
    for incident in incidents:
        phase = phases.get(incident.id)
        found.append(
            Listed(
                incident,
                title=incident.title_in(languages[0]),
                title_language=title_language(incident, languages),
                phase=PHASES[phase] if phase else None,
                resolved=phase == RESOLVED,
            )
        )
    return found


def history(session: Session, row: Update, language: str) -> list[Wording]:
    """Return the wordings of an update in a language since its publication, oldest first."""
    wordings = [wording for wording in wordings_of(session, row) if wording.language == language]
    public = [wording for wording in wordings if row.published_at and wording.at > row.published_at]
    before = [wording for wording in wordings if wording not in public]
    return before[-1:] + public


def pair(
    session: Session, incident: Incident, older: int, newer: int, languages: Sequence[str]
) -> tuple[Statement, Statement] | None:
    """Return two public versions in the best language that both have, or None if there is none."""
    if older == newer:
        return None
    rows = session.scalars(
        select(Statement)
        .where(Statement.incident_id == incident.id, Statement.number.in_((older, newer)))
        .where(Statement.published_at.is_not(None), Statement.withdrawn_at.is_(None))
    )
    texts = {(row.number, row.language): row for row in rows}
    shared = sorted(
        {language for number, language in texts if number == older and (newer, language) in texts}
    )
    if not shared:
        return None
    language = _best_language(shared, languages)
    return texts[older, language], texts[newer, language]


def _entry(row: Update, slug: str, wordings: Sequence[Wording], languages: Sequence[str]) -> Entry:
    withdrawal = withdrawal_of(row, languages, {"": row.text_hash.hex()} if row.text_hash else {})
    newest = {wording.language: wording for wording in wordings}
    shown = newest[_best_language(list(newest), languages)]
    if withdrawal is not None:
        shown = words_in_place(row, withdrawal, languages[0])
    published_at = row.published_at or row.written_at
    return Entry(
        update=row,
        path=f"/incidents/{slug}/updates/{row.number}/",
        phase=PHASES[row.phase],
        wording=shown,
        original=wordings[0].language,
        translated=shown.language == languages[0],
        published_at=published_at,
        updated_at=max(published_at, row.edited_at or published_at, shown.at),
        withdrawal=withdrawal,
    )


def _best_language(available: Sequence[str], languages: Sequence[str]) -> str:
    """Return the first of the reader's languages that is available, otherwise the first available one."""
    return next((language for language in languages if language in available), available[0])
