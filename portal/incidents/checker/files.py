"""Check an author's file as a statement or an update: all faults at once, each with its line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from portal.incidents.checker.findings import Finding, Weight, in_order, limited
from portal.incidents.checker.front_matter import MAX_VALUE, Source, read_source
from portal.incidents.checker.phrases import FOLDER
from portal.incidents.checker.prose import Part, overload_findings
from portal.incidents.checker.sections import (
    Split,
    guessed_language,
    missing_findings,
    missing_sections,
    split,
)
from portal.incidents.checker.site import Site
from portal.incidents.checker.texts import note_findings, statement_findings, update_findings
from portal.incidents.models import PHASES, TITLE_LENGTH
from portal.incidents.times import TimeInvalid, When, parse_time
from portal.incidents.writing import Notify, StatementText, UpdateText

OLDEST = timedelta(days=366 * 30)
AHEAD = timedelta(minutes=5)  # tolerance for clocks that differ
# The keys of the front matter, each with an example.
STATEMENT_KEYS = {
    "title": "We lost your data",
    "language": "en",
    "signed_by": "Jane Doe",
    "role": "Chief executive",
    "note": "The stolen file also holds dates of birth. We had missed them.",
    "summary": "Someone copied your name and your email address. Change your password today.",
}
UPDATE_KEYS = {
    "phase": "contained",
    "title": "We closed the gap the thief used",
    "occurred_at": "2026-11-03 14:30",
    "language": "en",
    "notify": "true",
}
_NEEDED = {"title": "[TITLE]", "language": "en", "signed_by": "[NAME]", "role": "[ROLE]"}
_UNUSED = frozenset({"date", "layout", "slug", "tags", "draft", "published", "version"})


@dataclass(frozen=True)
class CheckedStatement:
    """A statement's file as it was read. `text` is None where a stop is among the findings."""

    text: StatementText | None
    missing: list[str]
    findings: list[Finding]


@dataclass(frozen=True)
class CheckedUpdate:
    """An update's file as it was read. `text` is None where a stop is among the findings."""

    text: UpdateText | None
    findings: list[Finding]


def check_statement_file(content: bytes, site: Site, *, page: str = "") -> CheckedStatement:
    """Read a statement: front matter, apology, five sections under `##` headings.

    `page` is the path of its incident's page, empty where it is not known.
    """
    source = read_source(content, STATEMENT_KEYS, _UNUSED)
    if not source.readable:
        return CheckedStatement(None, [], in_order(source.findings))
    language = _language(source, site)
    overloaded = overload_findings(source.body, source.first_line)
    if overloaded:  # its headings cannot be told
        return CheckedStatement(None, [], in_order([*source.findings, *overloaded]))
    parts = split(source.body, source.first_line, language)
    if not source.fenced:
        language = _propose_front_matter(source, parts, site)
        parts = split(source.body, source.first_line, language)
    title = source.one_line("title", TITLE_LENGTH)
    note, summary = source.one_line("note", MAX_VALUE), source.one_line("summary", MAX_VALUE)
    signed_by, role = source.one_line("signed_by", TITLE_LENGTH), source.one_line("role", TITLE_LENGTH)
    if source.fenced:
        _require(source, ("title", "signed_by", "role"))
    parts.without_title(title)
    if not parts.apology:
        reason = "the apology is missing; write it before the first ## heading"
        source.stop(
            "apology-missing", source.first_line, reason, "We’re sorry. We didn’t keep your data safe."
        )
    found = parts.sections
    missing = missing_sections([section.heading for section, _ in found.values()], language)
    text = StatementText(
        language=language,
        title=title,
        signed_by=signed_by,
        role=role,
        note=note or None,
        apology=parts.apology,
        sections=[found[number][0] for number in sorted(found)],
        summary=summary or None,
    )
    findings = [*source.findings, *parts.findings, *missing_findings(missing)]
    findings += _words(source, text, parts, site, page)
    if note:
        findings += note_findings(note, source.lines.get("note"))
    stopped = any(one.weight is Weight.STOP for one in findings)
    return CheckedStatement(None if stopped else text, missing, in_order(limited(findings)))


def check_update_file(
    content: bytes,
    site: Site,
    zone: str,
    now: datetime,
    *,
    phase: str | None = None,
    title: str | None = None,
    page: str = "",
) -> CheckedUpdate:
    """Read an update; `phase` and `title` of the command line must agree with those of the file.

    A time without an offset is in `zone`. It must not lie in the future, nor more than 30 years back.
    """
    source = read_source(content, UPDATE_KEYS)
    if not source.readable:
        return CheckedUpdate(None, in_order(source.findings))
    if not source.fenced and source.values:
        values = {key: source.values[key] for key in UPDATE_KEYS if key in source.values}
        reason = "the front matter has no lines with --- before and after it"
        source.stop("front-matter-missing", 1, reason, _front_matter(values))
    own_phase = source.one_line("phase", TITLE_LENGTH)
    if own_phase and own_phase.casefold() in PHASES:
        own_phase = own_phase.casefold()
    if own_phase and own_phase not in PHASES:
        source.stop_at("phase-unknown", "phase", f"must be one of {', '.join(PHASES)}", "phase: contained")
    own_title = source.one_line("title", TITLE_LENGTH)
    for key, own, given in (("phase", own_phase, phase), ("title", own_title, title)):
        if own and given is not None and own != given:
            source.stop_at("differs", key, "differs from the command line")
    if not source.body.strip():
        source.stop("text-missing", source.first_line, "the text is missing")
    language = _language(source, site)
    when = _when(source, zone, now)
    text = UpdateText(
        language=language,
        phase=phase or own_phase or None,
        title=title or own_title or None,
        body=source.body.strip(),
        occurred_at=when.at if when else None,
        occurred_on=when.day if when else None,
        notify=_notify(source),
    )
    overloaded = overload_findings(source.body, source.first_line)
    if overloaded:
        return CheckedUpdate(None, in_order([*source.findings, *overloaded]))
    body = Part.read("The update", source.body, source.first_line)
    lines = [Part.one_line("title", own_title, source.lines.get("title"))] if own_title else []
    findings = [*source.findings, *update_findings(body, lines, language, site, page)]
    stopped = any(one.weight is Weight.STOP for one in findings)
    return CheckedUpdate(None if stopped else text, in_order(limited(findings)))


def is_update(content: bytes) -> bool:
    """Return whether a file looks like an update: its front matter has a key that only updates have."""
    source = read_source(content, UPDATE_KEYS | STATEMENT_KEYS)
    return bool({"phase", "occurred_at", "notify"} & (set(source.values) | set(source.lines)))


def _words(source: Source, text: StatementText, parts: Split, site: Site, page: str) -> Iterable[Finding]:
    """Return what is to be said of the words themselves."""
    apology = _part("The apology", parts.apology, parts.apology_line)
    sections = [
        _part(section.heading, section.text, line) for _, (section, line) in sorted(parts.sections.items())
    ]
    keys = {"title": text.title, "signed_by": text.signed_by, "role": text.role, "note": text.note}
    lines = [Part.one_line(key, said, source.lines.get(key)) for key, said in keys.items() if said]
    if text.summary:
        lines.append(Part.read("summary", text.summary, source.lines.get("summary")))
    whole = Part.read("", source.body, source.first_line)
    lines.append(replace(whole, paragraphs=tuple(one for one in whole.paragraphs if one.heading)))
    return statement_findings(apology, sections, lines, text.language, site, page)


def _part(name: str, text: str, line: int) -> Part:
    """Return a part of a file; the definitions at its end are those of the whole file, told once."""
    return replace(Part.read(name, text, line), definitions=())


def _language(source: Source, site: Site) -> str:
    """Return the language of the file, by default the site's first; adds that the site does not offer it."""
    written = source.values.get("language", site.languages[0])
    offered = {one.casefold(): one for one in site.languages}
    value = offered.get(written.replace("_", "-").casefold())
    if value is None:
        reason = f"{written[:16]} is not offered by this site; it must be one of {', '.join(site.languages)}"
        source.stop_at("language-not-offered", "language", reason, f"language: {site.languages[0]}")
        return written[:16]
    return value


def _propose_front_matter(source: Source, parts: Split, site: Site) -> str:
    """Add that there is no front matter, with what can be told from the text; return the text's language."""
    known = sorted({*site.languages, *(file.stem for file in FOLDER.glob("*.toml"))})
    language = source.values.get("language") or guessed_language(parts.headings, known) or site.languages[0]
    values = {**_NEEDED, **source.values, "language": language}
    if "title" not in source.values and parts.title:
        values["title"] = parts.title[:TITLE_LENGTH]
    values = {key: values[key] for key in STATEMENT_KEYS if key in values}
    reason = "the front matter is missing; paste this at the top of the file, and put in what is in brackets"
    source.stop("front-matter-missing", 1, reason, _front_matter(values))
    source.values = {"title": values["title"]} if "[" not in values["title"] else {}
    return language


def _front_matter(values: Mapping[str, str]) -> str:
    return "\n".join(["---", *(f"{key}: {value}" for key, value in values.items()), "---"])


def _require(source: Source, keys: Iterable[str]) -> None:
    for key in keys:
        if key not in source.values and key not in source.lines:
            source.stop_at("key-missing", key, "is required", f"{key}: {STATEMENT_KEYS[key]}")


def _notify(source: Source) -> Notify:
    """Return whether subscribers are notified, UNCHANGED if the key is missing; adds that it is neither."""
    value = source.values.get("notify")
    if value is None:
        return Notify.UNCHANGED
    if value.lower() not in ("true", "false", "yes", "no"):
        source.stop_at("notify-invalid", "notify", "must be true or false", "notify: true")
    return Notify.YES if value.lower() in ("true", "yes") else Notify.NO


def _when(source: Source, zone: str, now: datetime) -> When | None:
    """Return when it happened, None if the key is missing; adds what is wrong with it."""
    value = source.values.get("occurred_at")
    if value is None:
        return None
    try:
        when = parse_time(value, zone)
    except TimeInvalid as error:
        example = "\n".join(f"occurred_at: {one}" for one in error.examples)
        source.stop_at(error.code, "occurred_at", error.reason, example)
        return None
    try:
        ahead = when.at - now
    except OverflowError:
        ahead = -OLDEST * 2
    if ahead > AHEAD:
        reason = f"is in the future; it is now {now:%Y-%m-%dT%H:%MZ}"
        source.stop_at("time-future", "occurred_at", reason, f"occurred_at: {now:%Y-%m-%dT%H:%MZ}")
    elif -ahead > OLDEST:
        source.stop_at("time-too-old", "occurred_at", "lies more than 30 years back")
    return when
