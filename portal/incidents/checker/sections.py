"""Split a statement's Markdown into the apology and its five sections, by their headings in any words."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from portal.core.i18n import catalogue
from portal.core.i18n import mark as N_
from portal.incidents.checker.findings import Finding, Weight
from portal.incidents.checker.phrases import words_of
from portal.incidents.checker.prose import quoted
from portal.incidents.models import TITLE_LENGTH, Section
from portal.web import markdown

if TYPE_CHECKING:
    from markdown_it.token import Token

# The five sections after the apology, in the order of the model letters of California's law and of the FTC.
SECTIONS = (
    N_("What happened"),
    N_("What information was involved"),
    N_("What we are doing"),
    N_("What you can do"),
    N_("For more information"),
)


@dataclass(frozen=True)
class Heading:
    """A heading of the text: its lines `start` to `after`, counted from 0."""

    start: int
    after: int
    words: str


@dataclass
class Split:
    """A statement's parts: the apology with its first line, and the sections by their index in SECTIONS.

    `title` is the first `#` heading, `headings` are those of the sections, known or not.
    """

    apology: str = ""
    apology_line: int = 1
    sections: dict[int, tuple[Section, int]] = field(default_factory=dict)
    title: str = ""
    headings: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def without_title(self, title: str) -> None:
        """Take off an apology's first line where it is the title once more, as a `#` heading."""
        first, _, rest = self.apology.partition("\n")
        if title and self.title == title and first.startswith("#") and title in first:
            self.apology = rest.lstrip("\n")
            self.apology_line += 1 + len(rest) - len(self.apology)


def split(body: str, first_line: int, language: str) -> Split:
    """Return the parts of a statement; the line of a section is that of its text.

    Where no `##` heading is, `#` headings and bold lines count that are named as sections are.
    """
    env: dict[str, Any] = {}
    tokens = markdown.parse(body, env)
    lines = body.split("\n")
    headings = _headings(tokens, "h2")
    found = Split(title=next((one.words for one in _headings(tokens, "h1")), ""))
    if not headings:
        headings = _instead(tokens, first_line, language, found)
    found.headings = [one.words for one in headings]
    ends = [one.start for one in headings[1:]] + [len(lines)]
    definitions = _definitions(env)
    # Five headings with unknown names count by position, so that authors may word them freely.
    by_position = len(headings) == len(SECTIONS)
    for position, (heading, end) in enumerate(zip(headings, ends, strict=False)):
        line = first_line + heading.start
        number = section_of(heading.words, language)
        if number is None and by_position:
            number = position
        text = "\n".join(lines[heading.after : end]).strip()
        fault = _fault(heading, text, number, found, language)
        if fault is not None:
            code, reason, example = fault
            found.findings.append(Finding(code, Weight.STOP, line, reason, example))
        if number is not None and number not in found.sections:
            blank = next((at for at, one in enumerate(lines[heading.after : end]) if one.strip()), 0)
            section = Section(heading.words, text + definitions)
            found.sections[number] = section, first_line + heading.after + blank
    before = lines[: headings[0].start] if headings else lines
    found.apology_line = first_line + next((at for at, one in enumerate(before) if one.strip()), 0)
    apology = "\n".join(before).strip()
    found.apology = apology + definitions if apology else ""
    return found


def missing_sections(headings: Iterable[str], language: str) -> list[str]:
    """Return the names of the sections that a statement with these headings lacks, in its language."""
    known = list(headings)
    if len(known) >= len(SECTIONS):
        return []
    there = {section_of(heading, language) for heading in known}
    return [name for number, name in enumerate(names(language)) if number not in there]


def missing_findings(missing: Iterable[str]) -> list[Finding]:
    """Return what is asked about missing sections."""
    return [
        Finding("missing-section", Weight.ASK, None, f"the section {quoted(name)} is missing", f"## {name}")
        for name in missing
    ]


def section_of(heading: str, language: str) -> int | None:
    """Return the index of a heading in SECTIONS, in the file's language or in English, or None."""
    wanted = _normalise(heading)
    for own in (language, "en"):
        known = {_normalise(name): number for number, name in enumerate(names(own))}
        known |= {_normalise(name): number for name, number in words_of(own).sections}
        if wanted in known:
            return known[wanted]
    return None


def names(language: str) -> tuple[str, ...]:
    """Return the usual names of the sections in a language: our catalogue's, else those of the word files."""
    say = catalogue(language).gettext
    own: dict[int, str] = {}
    for name, number in words_of(language).sections:
        own.setdefault(number, name[:1].upper() + name[1:])
    return tuple(
        say(name) if say(name) != name or language.startswith("en") else own.get(number, name)
        for number, name in enumerate(SECTIONS)
    )


def guessed_language(headings: Iterable[str], languages: Iterable[str]) -> str | None:
    """Return the language in which most headings are names of sections, None where there is none."""
    known = list(headings)
    counts = {
        language: sum(_normalise(one) in dict(_own_names(language)) for one in known)
        for language in languages
    }
    best = max(counts, key=lambda one: counts[one], default=None)
    return best if best and counts[best] else None


def _own_names(language: str) -> Iterable[tuple[str, int]]:
    yield from ((_normalise(name), number) for number, name in enumerate(names(language)))
    yield from ((_normalise(name), number) for name, number in words_of(language).sections)


def _fault(
    heading: Heading, text: str, number: int | None, found: Split, language: str
) -> tuple[str, str, str] | None:
    if number is None:
        known = names(language)
        left = [name for at, name in enumerate(known) if at not in found.sections]
        reason = f"unknown heading {quoted(heading.words)}; the ## headings are: {'; '.join(known)}"
        return "heading-unknown", reason, f"## {left[0]}" if left else f"### {heading.words}"
    if number in found.sections:
        return "section-twice", "this section appears twice; put both texts under one heading", ""
    if len(heading.words) > TITLE_LENGTH:
        return "heading-too-long", f"this heading is longer than {TITLE_LENGTH} characters", ""
    if not text:
        return "section-empty", "this section is empty; write its text, or take the heading out", ""
    return None


def _headings(tokens: list["Token"], tag: str) -> list[Heading]:
    return [
        Heading(token.map[0], token.map[1], " ".join(tokens[at + 1].content.split()))
        for at, token in enumerate(tokens)
        if token.type == "heading_open" and token.tag == tag and token.level == 0 and token.map
    ]


def _instead(tokens: list["Token"], first_line: int, language: str, found: Split) -> list[Heading]:
    """Return the `#` headings, or else the bold lines, that are named as sections; adds that it did so."""
    for marks, headings in (("#", _headings(tokens, "h1")), ("**", _bold_lines(tokens))):
        named = [one for one in headings if section_of(one.words, language) is not None]
        if named:
            reason = f"a line with {marks} was taken as the heading of a section; write it with ##"
            found.findings += [
                Finding("heading-style", Weight.WARN, first_line + one.start, reason, f"## {one.words}")
                for one in named
            ]
            return named
    return []


def _bold_lines(tokens: list["Token"]) -> list[Heading]:
    found = []
    for at, token in enumerate(tokens):
        if token.type != "paragraph_open" or token.level or not token.map:
            continue
        kinds = [
            child.type for child in tokens[at + 1].children or [] if child.type != "text" or child.content
        ]
        if kinds == ["strong_open", "text", "strong_close"]:
            words = "".join(child.content for child in tokens[at + 1].children or [])
            found.append(Heading(token.map[0], token.map[1], " ".join(words.split())))
    return found


def _normalise(heading: str) -> str:
    return heading.casefold().replace("'", "’").strip(" .:?!¿¡")


def _definitions(env: dict[str, Any]) -> str:
    """Return the link reference definitions of the file; each part needs them to be rendered alone."""
    lines = []
    for label, reference in env.get("references", {}).items():
        title = reference["title"].replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        lines.append(f"[{label}]: <{reference['href']}>" + (f' "{title}"' if title else ""))
    return "\n\n" + "\n".join(lines) if lines else ""
