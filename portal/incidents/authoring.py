"""Turn authors' files into statements and updates: strict front matter, then Markdown.

Every fault names its line, and its key.
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
from portal.incidents.writing import StatementText, UpdateText
from portal.web import markdown

MAX_BYTES = 200_000
MAX_VALUE = 2_000
OLDEST = timedelta(days=366 * 30)
AHEAD = timedelta(minutes=5)  # clocks differ a little
FENCE = "---"
_QUOTES = ("'", '"')
# Characters that reverse the order of what follows: a title could show what it does not say.
_REVERSING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class FileInvalid(ValueError):
    """An author's file is refused; the message says where and why."""


@dataclass(frozen=True)
class Source:
    """A file's front matter, the line of each key, and its Markdown, which begins at `first_line`."""

    values: dict[str, str]
    lines: dict[str, int]
    body: str
    first_line: int

    def fault(self, key: str, what: str) -> FileInvalid:
        """Return the fault of a key, with its line."""
        where = f"line {self.lines[key]}, " if key in self.lines else ""
        return FileInvalid(f"{where}{key}: {what}")

    def one_line(self, key: str, most: int, *, needed: bool = True) -> str:
        """Return a value that is shown as one line."""
        value = self.values.get(key, "")
        if needed and not value:
            raise self.fault(key, "is needed")
        if len(value) > most:
            raise self.fault(key, f"is longer than {most} characters")
        if not value.isprintable() or _REVERSING & set(value):
            raise self.fault(key, "holds a character that cannot be shown")
        return value

    def yes_or_no(self, key: str) -> bool | None:
        """Return a truth value, or None where the key is not given."""
        value = self.values.get(key)
        if value is None:
            return None
        if value.lower() not in ("true", "false", "yes", "no"):
            raise self.fault(key, "must be true or false")
        return value.lower() in ("true", "yes")

    def language(self, offered: tuple[str, ...]) -> str:
        """Return the language that the file is written in: one that the portal speaks, by default its first."""
        value = self.values.get("language", offered[0])
        if value not in offered:
            raise self.fault("language", f"must be one of {', '.join(offered)}")
        return value

    def moment(self, key: str, zone: str, now: datetime) -> datetime | None:
        """Return a time in ISO 8601, without an offset in the organisation's zone; None where it is not given."""
        value = self.values.get(key)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise self.fault(key, "must be a time like 2026-11-03T14:30Z or 2026-11-03 14:30") from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(zone))
        try:
            ahead = moment - now
        except OverflowError:
            raise self.fault(key, "is too long ago to be true") from None
        if ahead > AHEAD:
            raise self.fault(key, f"lies in the future; now it is {now:%Y-%m-%dT%H:%MZ}")
        if -ahead > OLDEST:
            raise self.fault(key, "is too long ago to be true")
        return moment


def _front_matter(content: bytes, keys: tuple[str, ...]) -> Source:
    """Take a file apart; only `keys` may stand in its front matter. Raises FileInvalid."""
    text = _decoded(content)
    lines = text.split("\n")
    if lines[0].rstrip() != FENCE:
        return Source({}, {}, text, 1)
    end = next((number for number, line in enumerate(lines[1:], 2) if line.rstrip() == FENCE), None)
    if end is None:
        raise FileInvalid("line 1: the front matter has no second --- that ends it")
    values: dict[str, str] = {}
    places: dict[str, int] = {}
    for number, line in enumerate(lines[1 : end - 1], start=2):
        if not line.strip() or line.startswith("#"):
            continue
        key, value = _pair(line, number, keys)
        if key in values:
            raise FileInvalid(f"line {number}, {key}: is given twice, first in line {places[key]}")
        values[key], places[key] = value, number
    return Source(values, places, "\n".join(lines[end:]), end + 1)


def _pair(line: str, number: int, keys: tuple[str, ...]) -> tuple[str, str]:
    key, colon, value = line.partition(":")
    if not colon or line[0].isspace():
        raise FileInvalid(f"line {number}: must be `key: value` on one line")
    key, value = key.rstrip(), value.strip()
    if key not in keys:
        raise FileInvalid(f"line {number}: {_shown(key)} is not one of {', '.join(keys)}")
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
        broken = content[: error.start].count(b"\n") + 1
        raise FileInvalid(f"line {broken}: is not UTF-8 text") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for number, line in enumerate(text.split("\n"), 1):
        if any(_is_unfit(character) for character in line):
            raise FileInvalid(f"line {number}: holds a control character")
    return text


def _is_unfit(character: str) -> bool:
    """Tell what no page and no feed may hold (XML 1.0, 2.2): control characters and non-characters."""
    return character != "\t" and (unicodedata.category(character) == "Cc" or character in "\ufffe\uffff")


def _shown(key: str) -> str:
    return repr(key if len(key) <= 40 else key[:40] + "…")  # noqa: PLR2004


# The five sections after the apology, in the order of the model letter of California's law and of the FTC.
SECTIONS = (
    N_("What happened"),
    N_("What information was involved"),
    N_("What we are doing"),
    N_("What you can do"),
    N_("For more information"),
)
STATEMENT_KEYS = ("title", "language", "signed_by", "role", "note")
UPDATE_KEYS = ("phase", "title", "occurred_at", "language", "notify")


@dataclass(frozen=True)
class Read:
    """A statement that was read, and the names of the sections that it does not have."""

    text: StatementText
    missing: list[str]


def read_statement(content: bytes, languages: tuple[str, ...]) -> Read:
    """Read a statement: front matter, the apology, and the five sections under `##` headings. Raises FileInvalid."""
    source = _front_matter(content, STATEMENT_KEYS)
    language = source.language(languages)
    apology, found = _split(source, language)
    if not apology.strip():
        raise FileInvalid(
            f"line {source.first_line}: the apology is missing; it stands before the first ## heading"
        )
    text = StatementText(
        language=language,
        title=source.one_line("title", TITLE_LENGTH),
        signed_by=source.one_line("signed_by", TITLE_LENGTH),
        role=source.one_line("role", TITLE_LENGTH),
        note=source.one_line("note", MAX_VALUE, needed=False) or None,
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
    """Read an update; what the command says and the file says too must agree. Raises FileInvalid, TitleInvalid."""
    title = None if title is None else checked_title(title)
    source = _front_matter(content, UPDATE_KEYS)
    own_phase = source.one_line("phase", TITLE_LENGTH, needed=False) or None
    if own_phase is not None and own_phase not in PHASES:
        raise source.fault("phase", f"must be one of {', '.join(PHASES)}")
    own_title = source.one_line("title", TITLE_LENGTH, needed=False) or None
    for key, own, given in (("phase", own_phase, phase), ("title", own_title, title)):
        if own is not None and given is not None and own != given:
            raise source.fault(key, "differs from what the command says")
    if not source.body.strip():
        raise FileInvalid(f"line {source.first_line}: the text is missing")
    return UpdateText(
        language=source.language(languages),
        phase=phase or own_phase,
        title=title or own_title,
        body=source.body.strip(),
        occurred_at=source.moment("occurred_at", zone, now),
        notify=source.yes_or_no("notify"),
    )


def _split(source: Source, language: str) -> tuple[str, dict[int, Section]]:
    """Return the apology, and the sections by their places in SECTIONS."""
    env: dict[str, Any] = {}
    tokens = markdown.parse(source.body, env)
    headings: list[tuple[int, int, str]] = []
    for place, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h2" and token.level == 0 and token.map:
            headings.append((token.map[0], token.map[1], " ".join(tokens[place + 1].content.split())))
    lines = source.body.split("\n")
    ends = [start for start, _, _ in headings[1:]] + [len(lines)]
    definitions = _definitions(env)
    found: dict[int, Section] = {}
    by_place = len(headings) == len(SECTIONS)
    for place, ((start, after, heading), end) in enumerate(zip(headings, ends, strict=False)):
        line = source.first_line + start
        number = _section(heading, language)
        if number is None and by_place:
            number = place
        if number is None:
            raise FileInvalid(f"line {line}: the ## headings are: {'; '.join(_names(language))}")
        if number in found:
            raise FileInvalid(f"line {line}: this section stands there twice")
        if len(heading) > TITLE_LENGTH:
            raise FileInvalid(f"line {line}: this heading is longer than {TITLE_LENGTH} characters")
        text = "\n".join(lines[after:end]).strip()
        if not text:
            raise FileInvalid(f"line {line}: this section is empty")
        found[number] = Section(heading, text + definitions)
    apology = "\n".join(lines[: headings[0][0]] if headings else lines).strip()
    return (apology + definitions if apology else ""), found


def _section(heading: str, language: str) -> int | None:
    """Return the place of a heading among SECTIONS, in the file's language or in English."""
    for names in (_names(language), SECTIONS):
        plain = [_plain(name) for name in names]
        if _plain(heading) in plain:
            return plain.index(_plain(heading))
    return None


def _names(language: str) -> tuple[str, ...]:
    words = catalogue(language)
    return tuple(words.gettext(name) for name in SECTIONS)


def _plain(heading: str) -> str:
    return heading.casefold().strip(" .:?!¿¡")


def _definitions(env: dict[str, Any]) -> str:
    """Return the link references of a whole file, so that each part can be read by itself."""
    lines = []
    for label, reference in env.get("references", {}).items():
        title = reference["title"].replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        lines.append(f"[{label}]: <{reference['href']}>" + (f' "{title}"' if title else ""))
    return "\n\n" + "\n".join(lines) if lines else ""
