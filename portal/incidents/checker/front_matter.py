"""Split an author's file into front matter and Markdown. Word's leftovers are taken, faults are collected."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

from portal.core.one_line import is_plain
from portal.incidents.checker.findings import Finding, Weight

MAX_BYTES = 200_000
MAX_VALUE = 2_000
MAX_QUOTED = 40
# Three hyphens, or the dashes that word processors make of them.
_FENCE = re.compile(r"\s{0,3}(?:-{3,}|[-–—―−]{0,4}[–—―−][-–—―−]{0,4})\s*")
_PAIRS = {"'": "'", '"': '"', "“": "”", "„": "“", "‘": "’", "«": "»", "‹": "›"}
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))
_BLANKS = dict.fromkeys(map(ord, "\u000b\u000c\u2028\u2029\u0085"), " ")
_NARROW = dict.fromkeys(map(ord, "\u00a0\u202f\u2007\t"), " ")
_MARK = re.compile(r"\A(\s{0,8})(#{1,6}|[-*+>]|\d{1,9}[.)])[\u00a0\u202f\u2007]+")
_BULLET = re.compile(r"\A(\s{0,8})[•·▪◦‣●][\s\u00a0]+")
# Bidirectional controls (UAX #9) reorder the text after them: a title could look like another one.
_OTHER_FILES = (
    (b"PK\x03\x04", "a Word or OpenDocument file"),
    (b"\xd0\xcf\x11\xe0", "an old Word file"),
    (b"{\\rtf", "an RTF file"),
    (b"%PDF", "a PDF file"),
)


@dataclass
class Source:
    """A file in parts: the front matter's values, the line of each key, and the Markdown from `first_line`.

    `fenced` says whether there is front matter; `findings` collects what is wrong.
    """

    values: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    body: str = ""
    first_line: int = 1
    fenced: bool = False
    readable: bool = True
    findings: list[Finding] = field(default_factory=list)

    def stop(self, code: str, line: int | None, reason: str, example: str = "") -> None:
        """Add a fault that forbids to store the text."""
        self.findings.append(Finding(code, Weight.STOP, line, reason, example))

    def stop_at(self, code: str, key: str, reason: str, example: str = "") -> None:
        """Add a fault of a key, with its line."""
        self.stop(code, self.lines.get(key), f"{key}: {reason}", example)

    def one_line(self, key: str, max_characters: int) -> str:
        """Return a value that is shown as one line, empty if it is missing or unfit; adds what is wrong."""
        value = self.values.get(key, "")
        if len(value) > max_characters:
            self.stop_at("value-too-long", key, f"is longer than {max_characters} characters")
        elif not is_plain(value):
            self.stop_at("character-hidden", key, "contains a character that cannot be displayed")
        else:
            return value
        return ""


def read_source(content: bytes, keys: dict[str, str], unused: frozenset[str] = frozenset()) -> Source:
    """Return the parts of a file; `keys` are the allowed ones, each with an example of its value.

    `unused` are keys that are told and left out.
    """
    source = Source()
    text = _decoded(content, source)
    if not source.readable:
        return source
    lines = text.split("\n")
    begin = next((at for at, line in enumerate(lines) if line.strip()), len(lines))
    if begin == len(lines) or not _FENCE.fullmatch(lines[begin]):
        source.body = text
        _unfenced(source, lines, begin, keys)
        return source
    source.fenced = True
    end = next((at for at in range(begin + 1, len(lines)) if _FENCE.fullmatch(lines[at])), None)
    if end is None:
        source.stop(
            "front-matter-open", begin + 1, "the front matter is not closed; add a line with ---", "---"
        )
        end = next((at for at in range(begin + 1, len(lines)) if not lines[at].strip()), len(lines))
        source.readable = False
    for at in range(begin + 1, end):
        line = lines[at].translate(_NARROW)
        if line.strip() and not line.startswith("#"):
            _pair(source, line, at + 1, keys, unused)
    source.body, source.first_line = "\n".join(lines[end + 1 :]), end + 2
    return source


def _unfenced(source: Source, lines: list[str], begin: int, keys: dict[str, str]) -> None:
    """Take lines like `Title: …` at the top of a file without front matter: they go into what is proposed."""
    for line in lines[begin : begin + len(keys) + 2]:
        key, colon, value = line.translate(_NARROW).partition(":")
        if not line.strip() or not colon or _key(key) not in keys:
            break
        source.values.setdefault(_key(key), _unquoted(value.strip())[:MAX_VALUE])


def _pair(source: Source, line: str, number: int, keys: dict[str, str], unused: frozenset[str]) -> None:
    written, colon, value = line.partition(":")
    key = _key(written)
    if not colon or (line[0].isspace() and key not in keys):
        example = next((f"{one}: {said}" for one, said in keys.items() if one not in source.values), "")
        source.stop("front-matter-line", number, "must be `key: value` on one line", example)
        return
    if key in unused:
        source.findings.append(
            Finding("key-unused", Weight.WARN, number, f"{key}: is not used; the portal knows it")
        )
        return
    if key not in keys:
        quoted = repr(written if len(written) <= MAX_QUOTED else written[:MAX_QUOTED] + "…")
        near = get_close_matches(key, keys, n=1)
        example = f"{near[0]}: {value.strip()[:MAX_QUOTED]}" if near else ""
        source.stop("key-unknown", number, f"{quoted} is not one of {', '.join(keys)}", example)
        return
    if key in source.lines:
        source.stop("key-twice", number, f"{key}: is given twice, first in line {source.lines[key]}")
        return
    source.lines[key] = number
    value = _unquoted(value.strip())
    if not value:
        source.stop("key-empty", number, f"{key}: has no value", f"{key}: {keys[key]}")
    elif len(value) > MAX_VALUE:
        source.stop("value-too-long", number, f"{key}: is longer than {MAX_VALUE} characters")
    else:
        source.values[key] = value


def _key(written: str) -> str:
    """Return a key as it is written in any case, with blanks or hyphens: `Signed by` is `signed_by`."""
    return "_".join(written.strip(" *_\"'“”").casefold().replace("-", " ").replace("_", " ").split())


def _unquoted(value: str) -> str:
    if len(value) > 1 and _PAIRS.get(value[0]) == value[-1]:
        return value[1:-1].strip()
    return value


def _decoded(content: bytes, source: Source) -> str:
    """Return a file's text; adds why it is none, and the lines with characters that no page may contain."""
    source.readable = False
    kind = next((kind for magic, kind in _OTHER_FILES if content.startswith(magic)), None)
    if kind is not None:
        source.stop(
            "not-text", None, f"is {kind}; save it as plain text (UTF-8), or paste it into a text editor"
        )
        return ""
    if len(content) > MAX_BYTES:
        source.stop("file-too-large", None, f"is larger than {MAX_BYTES // 1000} kB")
        return ""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content[: error.start].count(b"\n") + 1
        source.stop("not-utf-8", number, "is not UTF-8 text; save the file as UTF-8")
        return ""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    source.readable = True
    tidy = [tidied(line) for line in lines]
    for number in _lines_with_controls(tidy):
        source.readable = False
        source.stop("control-character", number, "contains a control character; delete it")
    return "\n".join(tidy)


def tidied(line: str) -> str:
    """Return a line without a word processor's leftovers: soft hyphens, hard blanks after marks, bullets."""
    line = line.translate(_INVISIBLE | _BLANKS)
    return _BULLET.sub(r"\1- ", _MARK.sub(r"\1\2 ", line))


def _lines_with_controls(lines: list[str]) -> Iterator[int]:
    for number, line in enumerate(lines, 1):
        if not line.isascii() or not line.isprintable():
            if any(_is_forbidden(character) for character in line):
                yield number


def _is_forbidden(character: str) -> bool:
    """Return whether pages and feeds may not contain it: a control or non-character (XML 1.0, 2.2)."""
    return character != "\t" and (unicodedata.category(character) == "Cc" or character in "\ufffe\uffff")
