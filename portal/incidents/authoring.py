"""Parse authors' files into statements and updates: strict front matter, then Markdown.

Every error names the line, and the key of the front matter.
"""

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from portal.core.i18n import catalogue
from portal.core.i18n import mark as N_
from portal.incidents.models import PHASES, TITLE_LENGTH, Section
from portal.incidents.service import checked_title
from portal.incidents.writing import Notify, StatementText, UpdateText
from portal.web import markdown

MAX_BYTES = 200_000
MAX_VALUE = 2_000
MAX_QUOTED = 40
OLDEST = timedelta(days=366 * 30)
AHEAD = timedelta(minutes=5)  # tolerance for clocks that differ
FENCE = "---"
_QUOTES = ("'", '"')
# Bidirectional controls (UAX #9) reorder the text after them: a title could look like another one.
_REVERSING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class FileInvalid(ValueError):
    """An author's file is invalid; the message names the line and the reason."""


@dataclass(frozen=True)
class Source:
    """A parsed file: front matter, the line of each key, and the Markdown, which starts at `first_line`."""

    values: dict[str, str]
    lines: dict[str, int]
    body: str
    first_line: int

    def error(self, key: str, reason: str) -> FileInvalid:
        """Return the error for a key, with its line."""
        where = f"line {self.lines[key]}, " if key in self.lines else ""
        return FileInvalid(f"{where}{key}: {reason}")

    def one_line(self, key: str, max_characters: int, *, required: bool = True) -> str:
        """Return a value that is shown as one line; empty if optional and missing. Raises FileInvalid."""
        value = self.values.get(key, "")
        if required and not value:
            raise self.error(key, "is required")
        if len(value) > max_characters:
            raise self.error(key, f"is longer than {max_characters} characters")
        if not value.isprintable() or _REVERSING & set(value):
            raise self.error(key, "contains a character that cannot be displayed")
        return value

    def notify(self) -> Notify:
        """Return whether subscribers are notified, UNCHANGED if the key is missing. Raises FileInvalid."""
        value = self.values.get("notify")
        if value is None:
            return Notify.UNCHANGED
        if value.lower() not in ("true", "false", "yes", "no"):
            raise self.error("notify", "must be true or false")
        return Notify.YES if value.lower() in ("true", "yes") else Notify.NO

    def language(self, offered: tuple[str, ...]) -> str:
        """Return the language of the file, by default the portal's first one. Raises FileInvalid."""
        value = self.values.get("language", offered[0])
        if value not in offered:
            raise self.error("language", f"must be one of {', '.join(offered)}")
        return value

    def time(self, key: str, zone: str, now: datetime) -> datetime | None:
        """Return a time in ISO 8601, or None if the key is missing. Raises FileInvalid.

        A time without an offset is in `zone`, the organisation's time zone. It must not lie in the
        future, nor more than 30 years back.
        """
        value = self.values.get(key)
        if value is None:
            return None
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            raise self.error(key, "must be a time like 2026-11-03T14:30Z or 2026-11-03 14:30") from None
        if time.tzinfo is None:
            time = time.replace(tzinfo=ZoneInfo(zone))
        try:
            ahead = time - now
        except OverflowError:
            raise self.error(key, "lies more than 30 years back") from None
        if ahead > AHEAD:
            raise self.error(key, f"is in the future; it is now {now:%Y-%m-%dT%H:%MZ}")
        if -ahead > OLDEST:
            raise self.error(key, "lies more than 30 years back")
        return time


def _front_matter(content: bytes, keys: tuple[str, ...]) -> Source:
    """Split a file into front matter and Markdown; only `keys` are allowed. Raises FileInvalid."""
    text = _decoded(content)
    lines = text.split("\n")
    if lines[0].rstrip() != FENCE:
        return Source({}, {}, text, 1)
    end = next((number for number, line in enumerate(lines[1:], 2) if line.rstrip() == FENCE), None)
    if end is None:
        raise FileInvalid("line 1: the front matter is not closed; add a line with --- after it")
    values: dict[str, str] = {}
    key_lines: dict[str, int] = {}
    for number, line in enumerate(lines[1 : end - 1], start=2):
        if not line.strip() or line.startswith("#"):
            continue
        key, value = _pair(line, number, keys)
        if key in values:
            raise FileInvalid(f"line {number}, {key}: is given twice, first in line {key_lines[key]}")
        values[key], key_lines[key] = value, number
    return Source(values, key_lines, "\n".join(lines[end:]), end + 1)


def _pair(line: str, number: int, keys: tuple[str, ...]) -> tuple[str, str]:
    key, colon, value = line.partition(":")
    if not colon or line[0].isspace():
        raise FileInvalid(f"line {number}: must be `key: value` on one line")
    key, value = key.rstrip(), value.strip()
    if key not in keys:
        quoted = repr(key if len(key) <= MAX_QUOTED else key[:MAX_QUOTED] + "…")
        raise FileInvalid(f"line {number}: {quoted} is not one of {', '.join(keys)}")
    if len(value) > MAX_VALUE:
        raise FileInvalid(f"line {number}, {key}: is longer than {MAX_VALUE} characters")
    if len(value) > 1 and value[0] in _QUOTES and value[-1] == value[0]:
        value = value[1:-1]
    if not value.strip():
        raise FileInvalid(f"line {number}, {key}: has no value")
    return key, value.strip()


def _decoded(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise FileInvalid(f"is larger than {MAX_BYTES // 1000} kB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content[: error.start].count(b"\n") + 1
        raise FileInvalid(f"line {number}: is not UTF-8 text") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for number, line in enumerate(text.split("\n"), 1):
        if any(_is_forbidden(character) for character in line):
            raise FileInvalid(f"line {number}: contains a control character")
    return text


def _is_forbidden(character: str) -> bool:
    """Return whether pages and feeds may not contain it: a control or non-character (XML 1.0, 2.2)."""
    return character != "\t" and (unicodedata.category(character) == "Cc" or character in "\ufffe\uffff")


# The five sections after the apology, in the order of the model letters of California's law and of the FTC.
SECTIONS = (
    N_("What happened"),
    N_("What information was involved"),
    N_("What we are doing"),
    N_("What you can do"),
    N_("For more information"),
)
STATEMENT_KEYS = ("title", "language", "signed_by", "role", "note", "summary")
UPDATE_KEYS = ("phase", "title", "occurred_at", "language", "notify")


@dataclass(frozen=True)
class Read:
    """A parsed statement, and the names of its missing sections."""

    text: StatementText
    missing: list[str]


def read_statement(content: bytes, languages: tuple[str, ...]) -> Read:
    """Parse a statement: front matter, apology, five sections under `##` headings. Raises FileInvalid."""
    source = _front_matter(content, STATEMENT_KEYS)
    language = source.language(languages)
    apology, found = _split(source, language)
    if not apology.strip():
        raise FileInvalid(
            f"line {source.first_line}: the apology is missing; write it before the first ## heading"
        )
    text = StatementText(
        language=language,
        title=source.one_line("title", TITLE_LENGTH),
        signed_by=source.one_line("signed_by", TITLE_LENGTH),
        role=source.one_line("role", TITLE_LENGTH),
        note=source.one_line("note", MAX_VALUE, required=False) or None,
        summary=source.one_line("summary", MAX_VALUE, required=False) or None,
        apology=apology,
        sections=[found[number] for number in sorted(found)],
    )
    return Read(text, [name for number, name in enumerate(SECTIONS) if number not in found])


def read_update(
    content: bytes,
    languages: tuple[str, ...],
    zone: str,
    now: datetime,
    *,
    phase: str | None,
    title: str | None,
) -> UpdateText:
    """Parse an update; `phase` and `title` of the command line must agree with those of the file.

    Raises FileInvalid, TitleInvalid.
    """
    title = None if title is None else checked_title(title)
    source = _front_matter(content, UPDATE_KEYS)
    own_phase = source.one_line("phase", TITLE_LENGTH, required=False) or None
    if own_phase is not None and own_phase not in PHASES:
        raise source.error("phase", f"must be one of {', '.join(PHASES)}")
    own_title = source.one_line("title", TITLE_LENGTH, required=False) or None
    for key, own, given in (("phase", own_phase, phase), ("title", own_title, title)):
        if own is not None and given is not None and own != given:
            raise source.error(key, "differs from the command line")
    if not source.body.strip():
        raise FileInvalid(f"line {source.first_line}: the text is missing")
    return UpdateText(
        language=source.language(languages),
        phase=phase or own_phase,
        title=title or own_title,
        body=source.body.strip(),
        occurred_at=source.time("occurred_at", zone, now),
        notify=source.notify(),
    )


def _split(source: Source, language: str) -> tuple[str, dict[int, Section]]:
    """Return the apology, and the sections by their index in SECTIONS. Raises FileInvalid."""
    env: dict[str, Any] = {}
    tokens = markdown.parse(source.body, env)
    headings: list[tuple[int, int, str]] = []
    for index, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h2" and token.level == 0 and token.map:
            headings.append((token.map[0], token.map[1], " ".join(tokens[index + 1].content.split())))
    lines = source.body.split("\n")
    ends = [start for start, _, _ in headings[1:]] + [len(lines)]
    definitions = _definitions(env)
    found: dict[int, Section] = {}
    # Five headings with unknown names count by position, so that authors may word them freely.
    by_position = len(headings) == len(SECTIONS)
    for position, ((start, after, heading), end) in enumerate(zip(headings, ends, strict=False)):
        line = source.first_line + start
        number = _section(heading, language)
        if number is None and by_position:
            number = position
        if number is None:
            raise FileInvalid(
                f"line {line}: unknown heading; the ## headings are: {'; '.join(_names(language))}"
            )
        if number in found:
            raise FileInvalid(f"line {line}: this section appears twice")
        if len(heading) > TITLE_LENGTH:
            raise FileInvalid(f"line {line}: this heading is longer than {TITLE_LENGTH} characters")
        text = "\n".join(lines[after:end]).strip()
        if not text:
            raise FileInvalid(f"line {line}: this section is empty")
        found[number] = Section(heading, text + definitions)
    apology = "\n".join(lines[: headings[0][0]] if headings else lines).strip()
    return (apology + definitions if apology else ""), found


def _section(heading: str, language: str) -> int | None:
    """Return the index of a heading in SECTIONS, in the file's language or in English, or None."""
    for names in (_names(language), SECTIONS):
        normalised = [_normalise(name) for name in names]
        if _normalise(heading) in normalised:
            return normalised.index(_normalise(heading))
    return None


def _names(language: str) -> tuple[str, ...]:
    words = catalogue(language)
    return tuple(words.gettext(name) for name in SECTIONS)


def _normalise(heading: str) -> str:
    return heading.casefold().strip(" .:?!¿¡")


def _definitions(env: dict[str, Any]) -> str:
    """Return the link reference definitions of the file; each part needs them to be rendered alone."""
    lines = []
    for label, reference in env.get("references", {}).items():
        title = reference["title"].replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        lines.append(f"[{label}]: <{reference['href']}>" + (f' "{title}"' if title else ""))
    return "\n\n" + "\n".join(lines) if lines else ""
