"""The words of a Markdown text as its readers see them, without marks, each with its line."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from portal.incidents.checker.findings import Finding, Weight
from portal.web import markdown

if TYPE_CHECKING:
    from markdown_it.token import Token


@dataclass(frozen=True)
class Link:
    """A link: its address and its words, `offset` lines below the first line of its part."""

    href: str
    words: str
    offset: int
    bare: bool


@dataclass(frozen=True)
class Paragraph:
    """A block of text. `text` keeps the line breaks of the file, and has a blank for each piece of code.

    `offset` is its first line, counted from 0 in its part.
    """

    offset: int
    text: str
    code: str = ""
    heading: bool = False
    links: tuple[Link, ...] = ()
    images: tuple[Link, ...] = ()

    def offset_of(self, position: int) -> int:
        """Return the line of a position in the text, counted from 0 in its part."""
        return self.offset + bisect_left(self._breaks, position)

    @cached_property
    def _breaks(self) -> list[int]:
        return [at for at, character in enumerate(self.text) if character == "\n"]


@dataclass(frozen=True)
class Definition:
    """The address of a link that is given apart from it: `[label]: https://…`."""

    label: str
    href: str
    offset: int


@dataclass(frozen=True)
class Part:
    """A piece of an author's text: the apology, a section, an update, or one line of the front matter.

    `line` is its first line in the file, None for a stored text, which is told by its `name`.
    """

    name: str
    paragraphs: tuple[Paragraph, ...]
    line: int | None = None
    markdown: bool = True
    definitions: tuple[Definition, ...] = ()

    @classmethod
    def read(cls, name: str, text: str, line: int | None = None) -> "Part":
        """Return a part that is written in Markdown."""
        env: dict[str, Any] = {}
        tokens = markdown.parse(text, env)
        definitions = tuple(
            Definition(label, one["href"], one["map"][0]) for label, one in env.get("references", {}).items()
        )
        return cls(name, tuple(_paragraphs(tokens)), line, definitions=definitions)

    @classmethod
    def one_line(cls, name: str, text: str, line: int | None = None) -> "Part":
        """Return a part that is shown as it is: a title, a name, a note."""
        return cls(name, (Paragraph(0, text),), line, markdown=False)

    def finding(self, code: str, weight: Weight, offset: int, reason: str, example: str = "") -> Finding:
        """Return a finding, with its line in the file or the name of the part."""
        if self.line is None:
            return Finding(code, weight, None, f"{self.name}: {reason}", example)
        return Finding(code, weight, self.line + offset, reason, example)

    def text(self) -> str:
        """Return all words of the part."""
        return "\n\n".join(one.text for one in self.paragraphs)


def overload_findings(text: str, first_line: int) -> list[Finding]:
    """Return a stop where a text has so many marks that pages show it as it is."""
    line = markdown.overload(text)
    if line is None:
        return []
    reason = "too many marks, like brackets and stars, up to here: pages show the whole text as it is"
    return [Finding("too-many-marks", Weight.STOP, first_line + line, reason)]


def quoted(words: str, most: int = 60) -> str:
    """Return an author's words in quotation marks, on one line, cut where they are long."""
    line = " ".join(words.split())
    return f"“{line if len(line) <= most else line[: most - 1] + '…'}”"


def _paragraphs(tokens: Sequence["Token"]) -> Iterator[Paragraph]:
    heading = False
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            heading = token.type == "heading_open"
        offset = token.map[0] if token.map else 0
        if token.type in ("fence", "code_block"):
            yield Paragraph(offset, "", code=token.content)
        elif token.type == "inline":
            yield _paragraph(token.children or [], offset, heading=heading)


def _paragraph(children: Iterable["Token"], offset: int, *, heading: bool) -> Paragraph:
    text: list[str] = []
    code: list[str] = []
    links: list[Link] = []
    images: list[Link] = []
    line, address, words, bare = offset, "", "", False
    for child in children:
        said = ""
        match child.type:
            case "softbreak" | "hardbreak":
                line, said = line + 1, "\n"
            case "code_inline":
                code.append(child.content)
                said = " "
            case "image":
                images.append(Link(str(child.attrs.get("src", "")), child.content, line, bare=False))
                said = child.content
            case "link_open":
                address, words, bare = str(child.attrs.get("href", "")), "", child.info == "auto"
            case "link_close":
                links.append(Link(address, words, line, bare))
            case _:
                said = child.content
        text.append(said)
        words += said
    return Paragraph(offset, "".join(text), "\n".join(code), heading, tuple(links), tuple(images))
