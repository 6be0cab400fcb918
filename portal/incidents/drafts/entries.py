"""Write an entry of the timeline: its parts, what the checker says of them, and what it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from portal.core.settings import Settings
from portal.incidents.checker.files import check_update_file
from portal.incidents.checker.findings import Finding, Weight
from portal.incidents.checker.front_matter import tidied
from portal.incidents.drafts import files, store
from portal.incidents.drafts.models import Draft
from portal.incidents.drafts.statements import Told
from portal.incidents.models import PHASES, Incident
from portal.incidents.publishing.checks import site_of
from portal.incidents.times import PAST, TimeInvalid, When, as_typed, parse_time

_DOCUMENT = "update:"
PHASE, OCCURRED, ZONE, NOTIFY, NEXT_BY = "phase", "occurred", "zone", "notify", "next_by"
FACTS = (PHASE, OCCURRED, ZONE, NOTIFY, NEXT_BY)
FARTHEST = timedelta(days=366)


class EntryInvalid(ValueError):
    """A fact of an entry cannot be read; `part` says which, `error` what is wrong with a time."""

    def __init__(self, part: str, error: TimeInvalid | None = None) -> None:
        """Store the part and the error."""
        self.part, self.error = part, error
        super().__init__(f"{part}: {error or 'is missing'}")


@dataclass(frozen=True)
class Entry:
    """An entry as it will be posted; `when` is None for the time at which it is posted.

    `texts` are (language, title, body), the original one first.
    """

    phase: str
    when: When | None
    notify: bool
    next_by: datetime | None
    texts: tuple[tuple[str, str, str], ...]


def document(key: str) -> str:
    """Return the name of an entry's draft."""
    return _DOCUMENT + key


def drafts(session: Session, incident: Incident) -> dict[str, Draft]:
    """Return the drafts of entries by their key, the newest first."""
    found = {
        name.removeprefix(_DOCUMENT): row
        for name, row in store.heads(session, incident).items()
        if name.startswith(_DOCUMENT)
    }
    return dict(sorted(found.items(), key=lambda one: one[1].saved_at, reverse=True))


def empty(incident: Incident, languages: tuple[str, ...], zone: str) -> dict[str, str]:
    """Return the parts of an entry before anything is written; it keeps the promise that stands."""
    texts = [f"{what}:{language}" for language in languages for what in ("title", "body")]
    parts = dict.fromkeys((*FACTS, *texts), "")
    return parts | {ZONE: zone, NEXT_BY: as_typed(incident.more_by, zone)}


def completed(given: Mapping[str, str], languages: tuple[str, ...], zone: str) -> dict[str, str]:
    """Return all parts of what a form sent, tidied as the lines of a file are."""
    parts = {ZONE: "UTC" if given.get(ZONE) == "UTC" else zone}
    for name in (PHASE, OCCURRED, NEXT_BY):
        parts[name] = " ".join(given.get(name, "").split())
    parts[NOTIFY] = "yes" if given.get(NOTIFY) == "yes" else ""
    for language in languages:
        parts[f"title:{language}"] = " ".join(tidied(given.get(f"title:{language}", "")).split())
        body = given.get(f"body:{language}", "").replace("\r\n", "\n").replace("\r", "\n")
        parts[f"body:{language}"] = "\n".join(tidied(line) for line in body.split("\n")).strip()
    return parts


def time_in(parts: Mapping[str, str], part: str, tomorrow: str = PAST) -> When | None:
    """Return the time in a part, read in the entry's zone; None where there is none. Raises EntryInvalid.

    `tomorrow` is the day of its examples where the part is of a time to come.
    """
    if not parts.get(part):
        return None
    try:
        return parse_time(parts[part], parts[ZONE], tomorrow if part == NEXT_BY else PAST)
    except TimeInvalid as error:
        raise EntryInvalid(part, error) from error


def read(parts: Mapping[str, str], tomorrow: str = PAST) -> Entry:
    """Return what the parts say. Raises EntryInvalid, with examples as `time_in` gives them."""
    if parts.get(PHASE) not in PHASES:
        raise EntryInvalid(PHASE)
    languages = [
        part.removeprefix("body:") for part, text in parts.items() if part.startswith("body:") and text
    ]
    if not languages:
        raise EntryInvalid("body")
    for language in languages:
        if not parts.get(f"title:{language}"):
            raise EntryInvalid(f"title:{language}")
    promised = time_in(parts, NEXT_BY, tomorrow)
    return Entry(
        phase=parts[PHASE],
        when=time_in(parts, OCCURRED),
        notify=parts.get(NOTIFY) == "yes",
        next_by=promised.at if promised else None,
        texts=tuple((one, parts[f"title:{one}"], parts[f"body:{one}"]) for one in languages),
    )


def to_file(parts: Mapping[str, str], language: str) -> files.File:
    """Return an entry in a language as the file that `portal incidents update` reads."""
    lines, spans = ["---"], []
    facts = (
        (PHASE, PHASE, parts[PHASE]),
        (f"title:{language}", "title", parts[f"title:{language}"]),
        (OCCURRED, "occurred_at", parts[OCCURRED]),
        ("", "language", language),
        (NOTIFY, "notify", "true" if parts[NOTIFY] else "false"),
    )
    for part, key, value in facts:
        if value:
            lines.append(f"{key}: {files.quoted(value)}")
            spans.append(files.Span(part, len(lines), len(lines)))
    lines.append("---")
    body = parts[f"body:{language}"].split("\n")
    spans.append(files.Span(f"body:{language}", len(lines) + 1, len(lines) + len(body)))
    return files.File("\n".join([*lines, *body]) + "\n", tuple(spans))


def findings(
    session: Session, settings: Settings, incident: Incident, parts: Mapping[str, str], now: datetime
) -> list[Told]:
    """Return what the checker says of an entry in each language that has a text, and of its times."""
    site, found = site_of(session, settings), []
    for language in settings.site.languages:
        if not parts.get(f"body:{language}"):
            continue
        file = to_file(parts, language)
        page = f"/incidents/{incident.slug}/updates/0/"
        said = check_update_file(file.content.encode(), site, parts[ZONE], now, page=page).findings
        found += [Told(one, *(file.place(one.line) or ("", 0))) for one in said]
    told = {(one.finding.code, one.part, one.line, one.finding.reason): one for one in found}
    return [*told.values(), *_of_parts(parts, now)]


def _of_parts(parts: Mapping[str, str], now: datetime) -> list[Told]:
    """Return stops for what an entry lacks, and for a promise that cannot be kept."""
    try:
        entry = read(parts, f"{now + timedelta(days=1):%Y-%m-%d}")
    except EntryInvalid as error:
        if error.part == OCCURRED:  # told with its line
            return []
        reason = error.error.reason if error.error else "is missing"
        example = "\n".join(error.error.examples) if error.error else ""
        said = f"{error.part.partition(':')[0]}: {reason}"
        return [Told(Finding("entry", Weight.STOP, None, said, example), error.part)]
    if entry.next_by is None:
        return []
    if entry.next_by <= now:
        reason = "next update by: this time has passed. Name a new one, or leave it empty"
    elif entry.next_by > now + FARTHEST:
        reason = "next update by: this is more than a year away"
    else:
        return []
    return [Told(Finding("promise-time", Weight.STOP, None, reason), NEXT_BY)]


def utc(when: When) -> str:
    """Return a time as it is echoed: in UTC, or the day alone."""
    return when.day.isoformat() if when.day else f"{when.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
