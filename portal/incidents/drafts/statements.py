"""Write the statement in parts: open it in a language, see how the languages stand, and check it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core.settings import Settings
from portal.incidents.checker.files import CheckedStatement, check_statement_file
from portal.incidents.checker.findings import Finding, Weight, in_order
from portal.incidents.checker.sections import names
from portal.incidents.checker.site import Site
from portal.incidents.checker.texts import check_statement
from portal.incidents.drafts import files, store
from portal.incidents.drafts.models import Draft
from portal.incidents.models import Incident, Statement
from portal.incidents.publishing.checks import MISMATCH, MISSING, holding_findings, site_of, text_of
from portal.incidents.writing import StatementText, corrects, next_number

_DOCUMENT = "statement:"
MISSING_LANGUAGE, OLDER, CURRENT = "missing", "older", "current"
# What a finding without a line is about.
_PLACES = {MISMATCH: files.TEXTS[1], "no-contact": files.TEXTS[4], "apology-missing": files.APOLOGY}


@dataclass(frozen=True)
class Opened:
    """The statement in a language as its author goes on with it; `revision` is what a save is based on.

    `live` is the newest public version in that language. `number` is the version that the text becomes, and
    `changed` whether it says anything else than `live`. `corrects` is whether it must say what was wrong.
    """

    language: str
    parts: dict[str, str]
    revision: int
    saved: Draft | None
    live: Statement | None
    number: int
    corrects: bool

    @property
    def holding(self) -> bool:
        """Whether it is a statement in three parts, which says when more follows."""
        return self.parts[files.HOLDING] == "yes"

    @property
    def changed(self) -> bool:
        """Whether there is something to publish in this language."""
        before = files.of_text(text_of(self.live)) if self.live else files.empty(self.language)
        return files.differ(before, self.parts, but=("note", files.HOLDING))

    @property
    def text(self) -> StatementText:
        """Return the text as its author has written it so far."""
        parts = self.parts
        return StatementText(
            self.language,
            parts["title"],
            parts["signed_by"],
            parts["role"],
            parts["note"] or None,
            parts[files.APOLOGY],
            files.sections_of(parts),
            parts["summary"] or None,
        )

    def as_row(self, incident: Incident) -> Statement:
        """Return the draft as a version, to compare and to render; it is never stored."""
        text = self.text
        return Statement(
            incident_id=incident.id,
            number=self.number,
            language=text.language,
            title=text.title or "…",
            signed_by=text.signed_by,
            role=text.role,
            note=text.note,
            summary=text.summary,
            apology=text.apology,
            sections_json=files.as_json(self.parts),
        )


@dataclass(frozen=True)
class Standing:
    """How the statement stands in a language: `missing`, `older` than the default one, or `current`."""

    language: str
    state: str
    changed: bool
    saved: Draft | None


@dataclass(frozen=True)
class Told:
    """A finding and the part that it is about, with the line in it; no part where it is about none."""

    finding: Finding
    part: str = ""
    line: int = 0


def document(language: str) -> str:
    """Return the name of the statement's draft in a language."""
    return _DOCUMENT + language


def language_of(name: str) -> str | None:
    """Return the language of a statement's draft by its document, or None for another document."""
    return name.removeprefix(_DOCUMENT) if name.startswith(_DOCUMENT) else None


def open_draft(session: Session, incident: Incident, language: str) -> Opened:
    """Return the statement in a language: its draft, else what is stored or public, else empty parts.

    The note of the public version is left out: the next one needs its own. A draft that was just published is
    no change, so its note is that of the public version.
    """
    known = _versions(session, incident)
    own = [one for one in known if one.language == language]
    live = next((one for one in reversed(own) if one.published_at and not one.withdrawn_at), None)
    waiting = next((one for one in own if one.published_at is None), None)
    saved = store.head(session, incident, document(language))
    stored = waiting or live
    parts = files.of_text(text_of(stored)) if stored else files.empty(language)
    if saved is not None:
        parts = files.completed(saved.parts, language)
    opened = Opened(
        language,
        parts,
        saved.revision if saved else 0,
        saved,
        live,
        next_number(known, language),
        corrects(known, language),
    )
    if live is None or opened.changed or parts["note"] != (live.note or ""):
        return opened
    return replace(opened, parts=parts | {"note": ""})


def standings(session: Session, incident: Incident, languages: tuple[str, ...]) -> list[Standing]:
    """Return how the statement stands in each language of the portal, the default one first."""
    opened = [open_draft(session, incident, language) for language in languages]
    return [Standing(one.language, _state(one, opened[0]), one.changed, one.saved) for one in opened]


def _state(one: Opened, default: Opened) -> str:
    if one.live is None and not one.changed:
        return MISSING_LANGUAGE
    if one.language == default.language:
        return CURRENT
    if default.changed and (not one.changed or _saved_at(one) < _saved_at(default)):
        return OLDER
    behind = one.live is not None and default.live is not None and one.live.number < default.live.number
    return OLDER if behind and not one.changed else CURRENT


def _saved_at(one: Opened) -> datetime:
    """Return when a text was last changed, for comparing."""
    if one.saved is not None:
        return one.saved.saved_at
    return one.live.written_at if one.live else datetime.min.replace(tzinfo=UTC)


def take_file(session: Session, slug: str, text: StatementText, author: str, now: datetime) -> Draft:
    """Make a text that a command stored the draft, so that the editor goes on with it."""
    return store.replace(session, slug, document(text.language), files.of_text(text), author, now)


def findings(session: Session, settings: Settings, incident: Incident, opened: Opened) -> list[Told]:
    """Return what the checker says of a draft as a file, each with its place; stops first."""
    site, page = site_of(session, settings), f"/incidents/{incident.slug}/"
    file, read = _read(site, incident, opened)
    found = [one for one in read.findings if one.code != MISSING or not opened.holding]
    found = [_swallowed(one, opened) for one in found]
    if opened.holding:
        found += holding_findings(opened.text)
    else:
        said = check_statement(opened.text, site, page=page, classes=incident.next_class_names)
        found += [one for one in said if one.code == MISMATCH]
    if opened.corrects and not opened.parts["note"] and opened.changed:
        reason = f"note: version {opened.number} corrects an earlier one; say what was wrong, and why"
        found.append(Finding("note-missing", Weight.STOP, None, reason))
    return [_placed(one, file, opened) for one in in_order(found)]


def text_of_file(session: Session, settings: Settings, incident: Incident, opened: Opened) -> StatementText:
    """Return a draft as `portal incidents statement` reads its file. Raises ValueError if that is refused."""
    text = _read(site_of(session, settings), incident, opened)[1].text
    if text is None:
        message = "the draft has faults: ask for its findings first"
        raise ValueError(message)
    return text


def _read(site: Site, incident: Incident, opened: Opened) -> tuple[files.File, CheckedStatement]:
    file = files.to_file(opened.parts, opened.language)
    return file, check_statement_file(file.content.encode(), site, page=f"/incidents/{incident.slug}/")


def _swallowed(finding: Finding, opened: Opened) -> Finding:
    """Return a stop for a section that is missing in the file although it was written."""
    part = _section_named(finding.reason, opened.language)
    if finding.code != MISSING or part is None or not opened.parts[part]:
        return finding
    reason = "a part before this one does not end: a line with ``` is open. Close it with another ```"
    return Finding("part-open", Weight.STOP, None, f"{finding.reason}: {reason}", "```")


def _placed(finding: Finding, file: files.File, opened: Opened) -> Told:
    place = file.place(finding.line)
    if place is not None:
        return Told(finding, *place)
    part = _PLACES.get(finding.code) or _section_named(finding.reason, opened.language)
    key = finding.reason.partition(":")[0]
    return Told(finding, part or (key if key in files.LINES else ""), 0)


def _section_named(reason: str, language: str) -> str | None:
    """Return the section whose usual name is in a sentence, or None."""
    for name, part in zip(names(language), files.TEXTS, strict=True):
        if name in reason:
            return part
    return None


def _versions(session: Session, incident: Incident) -> list[Statement]:
    query = select(Statement).where(Statement.incident_id == incident.id)
    return list(session.scalars(query.order_by(Statement.number, Statement.language)))
