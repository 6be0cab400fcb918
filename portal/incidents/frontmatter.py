"""Reads an author's file: strict front matter, then Markdown. Every fault names its line, and its key."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

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


def read(content: bytes, keys: tuple[str, ...]) -> Source:
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
