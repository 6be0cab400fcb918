"""A statement in its parts, as an editor shows it, and as the file that `portal incidents statement` reads.

The two are one text: what an author saves is written as a file, and the file is what is checked and stored.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from portal.incidents.checker.front_matter import tidied
from portal.incidents.checker.sections import SECTIONS, names, section_of
from portal.incidents.models import Section
from portal.incidents.writing import StatementText

LINES = ("title", "signed_by", "role", "note", "summary")
APOLOGY = "apology"
HOLDING = "holding"  # "yes" for a statement in three parts
NUMBERS = range(1, len(SECTIONS) + 1)
HEADINGS = tuple(f"heading{number}" for number in NUMBERS)
TEXTS = tuple(f"section{number}" for number in NUMBERS)
PAIRS = tuple(zip(HEADINGS, TEXTS, strict=True))
HOLDING_PARTS = (TEXTS[0], TEXTS[3])  # beside when more follows, which is its third part
PARTS = (HOLDING, *LINES, APOLOGY, *(part for pair in PAIRS for part in pair))
# The addresses of links as the checker adds them to every part: `[label]: <address> "title"`.
_DEFINED = re.compile(r'\n\n(?:\[[^\n]+\]: <[^\n]*>(?: "[^\n]*")?(?:\n|\Z))+\Z')
_QUOTES = ('"', "'", "“", "„", "‘", "«", "‹")


@dataclass(frozen=True)
class Span:
    """The lines of a file that hold a part; `first` counts from 1, `last` is included."""

    part: str
    first: int
    last: int


@dataclass(frozen=True)
class File:
    """A draft as Markdown with front matter, and where its parts are."""

    content: str
    spans: tuple[Span, ...]

    def place(self, line: int | None) -> tuple[str, int] | None:
        """Return the part that a line is in, and the line counted from 1 within it, or None."""
        found = next((one for one in self.spans if line is not None and one.first <= line <= one.last), None)
        return None if found is None or line is None else (found.part, line - found.first + 1)


def empty(language: str) -> dict[str, str]:
    """Return the parts of a statement before anything is written: the usual headings alone."""
    return dict.fromkeys(PARTS, "") | dict(zip(HEADINGS, names(language), strict=True))


def completed(given: Mapping[str, str], language: str) -> dict[str, str]:
    """Return all parts, in their order, of what a form sent, tidied as the lines of a file are."""
    parts = empty(language)
    for part in PARTS:
        lines = given.get(part, "").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        text = "\n".join(tidied(line) for line in lines).strip()
        if part not in (APOLOGY, *TEXTS):
            text = " ".join(text.split())
        parts[part] = text or (parts[part] if part in HEADINGS else "")
    return parts


def of_text(text: StatementText) -> dict[str, str]:
    """Return the parts of a text that was read from a file."""
    apology, *sections = _without_definitions([text.apology, *(one.text for one in text.sections)])
    parts = empty(text.language) | {
        "title": text.title,
        "signed_by": text.signed_by,
        "role": text.role,
        "note": text.note or "",
        "summary": text.summary or "",
        APOLOGY: apology,
    }
    for place, (section, words) in enumerate(zip(text.sections, sections, strict=True)):
        number = section_of(section.heading, text.language)
        if len(text.sections) == len(SECTIONS):
            number = place
        if number is not None:
            parts[HEADINGS[number]], parts[TEXTS[number]] = section.heading, words
    return parts


def to_file(parts: Mapping[str, str], language: str) -> File:
    """Return a draft as a file. What is empty is left out, so that the checker says that it is missing."""
    lines, spans = ["---"], []
    for key in LINES:
        if parts.get(key):
            spans.append(Span(key, len(lines) + 1, len(lines) + 1))
            lines.append(f"{key}: {quoted(parts[key])}")
        if key == "title":
            lines.append(f"language: {language}")
    lines.append("---")
    texts = [("", APOLOGY), *PAIRS]
    for heading, part in texts:
        text = parts.get(part, "")
        if not text:
            continue
        if heading:
            lines += ["", f"## {parts[heading]}", ""]
            spans.append(Span(heading, len(lines) - 1, len(lines) - 1))
        written = text.split("\n")
        spans.append(Span(part, len(lines) + 1, len(lines) + len(written)))
        lines += written
    return File("\n".join(lines) + "\n", tuple(spans))


def quoted(line: str) -> str:
    """Return a line of the front matter; one that is in quotation marks keeps them."""
    return f'"{line}"' if line.startswith(_QUOTES) else line


def _without_definitions(texts: Sequence[str]) -> list[str]:
    """Return the parts as their author wrote them: each carries the addresses of all links at its end."""
    ends = [found[0] if (found := _DEFINED.search(text)) else "" for text in texts]
    shared = ends[0] if ends and all(text.endswith(ends[0]) for text in texts) else ""
    return [text.removesuffix(shared) if shared else text for text in texts]


def sections_of(parts: Mapping[str, str]) -> list[Section]:
    """Return the sections that have a text."""
    return [Section(parts[heading], parts[text]) for heading, text in PAIRS if parts.get(text)]


def as_json(parts: Mapping[str, str]) -> str:
    """Return the sections as a statement's row holds them."""
    return json.dumps([list(section) for section in sections_of(parts)], ensure_ascii=False)


def differ(one: Mapping[str, str], other: Mapping[str, str], *, but: Iterable[str] = ()) -> bool:
    """Return whether two texts differ, apart from some parts and from headings without a text."""
    skipped = set(but)
    for heading, text in PAIRS:
        if not one.get(text) and not other.get(text):
            skipped.add(heading)
    return any(one.get(part, "") != other.get(part, "") for part in PARTS if part not in skipped)
