"""What changed between two texts, word by word and readable: paragraphs are matched first, then their words."""

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from typing import NamedTuple

from markdown_it.token import Token

from portal.core.i18n import mark as N_
from portal.incidents.models import Statement, Wording
from portal.web import markdown

SAME = "same"
ADDED = "added"
REMOVED = "removed"
# Beyond these a text is shown as removed and added: comparing would keep a reader waiting.
MOST_WORDS = 600
MOST_PARAGRAPHS = 2_000
NEAR = 6  # how many of the following paragraphs may be the new form of one
LEAST_ALIKE = 0.35
_WORDS = re.compile(r"\s+|\w+(?:[’'@.,\-/:]+\w+)*|[^\w\s]")  # a number, an address, a time is one word


class Piece(NamedTuple):
    """Some words: `same`, `added` or `removed`."""

    what: str
    text: str


@dataclass(frozen=True)
class Part:
    """One part of a text: its heading (English words where `translate`), and its changed paragraphs."""

    heading: str
    translate: bool
    paragraphs: list[list[Piece]]


@dataclass(frozen=True)
class Difference:
    """What changed from one version to another, in one language; parts without a change are left out."""

    older: int
    newer: int
    language: str
    parts: list[Part]


@dataclass(frozen=True)
class Rewording:
    """An edit of an update: when, and what it changed."""

    at: datetime
    paragraphs: list[list[Piece]]


def of_statements(older: Statement, newer: Statement) -> Difference:
    """Compare two versions of the statement, part by part."""
    pairs: list[tuple[str, bool, str, str]] = [
        (N_("Title and signature"), True, _head(older), _head(newer)),
        (N_("Our apology"), True, older.apology, newer.apology),
    ]
    before = {_key(section.heading): section for section in older.sections}
    for section in newer.sections:
        gone = before.pop(_key(section.heading), None)
        pairs.append((section.heading, False, gone.text if gone else "", section.text))
    pairs += [(section.heading, False, section.text, "") for section in before.values()]
    parts = [
        Part(heading, translate, changes(old, new)) for heading, translate, old, new in pairs if old != new
    ]
    return Difference(older.number, newer.number, newer.language, [part for part in parts if part.paragraphs])


def of_wordings(wordings: Sequence[Wording]) -> list[Rewording]:
    """Compare what an update said one after the other, the newest edit first."""
    edits = [
        Rewording(after.at, changes(_whole(before), _whole(after)))
        for before, after in itertools.pairwise(wordings)
    ]
    return [edit for edit in reversed(edits) if edit.paragraphs]


def changes(older: str, newer: str) -> list[list[Piece]]:
    """Return the paragraphs of two Markdown texts that differ, each as its pieces, in reading order."""
    old, new = list(paragraphs(older)), list(paragraphs(newer))
    many = len(old) + len(new) > MOST_PARAGRAPHS
    found: list[list[Piece]] = []
    for kind, old_from, old_to, new_from, new_to in SequenceMatcher(
        a=old, b=new, autojunk=many
    ).get_opcodes():
        if kind != "equal":
            found += _paired(old[old_from:old_to], new[new_from:new_to], near=0 if many else NEAR)
    return found


def paragraphs(text: str) -> Iterable[str]:
    """Return a text's blocks as plain lines: what is read, and where links lead."""
    tokens = markdown.parse(text)
    marks: list[str] = []
    for token in tokens:
        if token.type == "list_item_open":
            marks.append(f"{token.info}. " if token.info else "• ")
        elif token.type == "inline":
            yield "".join(marks) + _plain(token.children or [])
            marks.clear()
        elif token.type in ("fence", "code_block"):
            yield "".join(marks) + token.content.strip("\n")
            marks.clear()


def _paired(old: list[str], new: list[str], near: int) -> Iterable[list[Piece]]:
    """Yield changed paragraphs: those that are alike beside each other word by word, the others as a whole."""
    rest = list(new)
    for text in old:
        like = next((place for place, other in enumerate(rest[:near]) if _alike(text, other)), None)
        if like is None:
            yield [Piece(REMOVED, text)]
            continue
        for other in rest[:like]:
            yield [Piece(ADDED, other)]
        yield _words(text, rest[like])
        rest = rest[like + 1 :]
    for other in rest:
        yield [Piece(ADDED, other)]


def _alike(one: str, other: str) -> bool:
    first, second = ([word for word in _WORDS.findall(text) if word.strip()] for text in (one, other))
    if max(len(first), len(second)) > MOST_WORDS:
        return False
    matcher = SequenceMatcher(a=first, b=second, autojunk=False)
    return matcher.quick_ratio() >= LEAST_ALIKE and matcher.ratio() >= LEAST_ALIKE


def _words(old: str, new: str) -> list[Piece]:
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    pieces: list[Piece] = []
    for kind, old_from, old_to, new_from, new_to in SequenceMatcher(
        a=before, b=after, autojunk=False
    ).get_opcodes():
        if kind == "equal":
            _add(pieces, SAME, before[old_from:old_to])
            continue
        _add(pieces, REMOVED, before[old_from:old_to])
        _add(pieces, ADDED, after[new_from:new_to])
    return _smooth(pieces)


def _smooth(pieces: list[Piece]) -> list[Piece]:
    """Join changes that only a space parts, so that a rewritten phrase reads as one."""
    out: list[Piece] = []
    removed, added = "", ""
    for place, (what, text) in enumerate(pieces):
        only_space = what == SAME and not text.strip() and (removed or added) and place < len(pieces) - 1
        if what == SAME and not only_space:
            out += [Piece(REMOVED, removed)] * bool(removed) + [Piece(ADDED, added)] * bool(added)
            removed, added = "", ""
            out.append(Piece(SAME, text))
        else:
            removed += text if what != ADDED else ""
            added += text if what != REMOVED else ""
    return out + [Piece(REMOVED, removed)] * bool(removed) + [Piece(ADDED, added)] * bool(added)


def _add(pieces: list[Piece], what: str, words: Sequence[str]) -> None:
    if words:
        pieces.append(Piece(what, "".join(words)))


def _plain(tokens: Sequence[Token]) -> str:
    """Return what a reader sees, with each link's address after its words."""
    out: list[str] = []
    addresses: list[str] = []
    for token in tokens:
        if token.type == "link_open":
            addresses.append(str(token.attrGet("href") or ""))
        elif token.type == "link_close":
            out.append(f" ({addresses.pop()})")
        elif token.type in ("softbreak", "hardbreak"):
            out.append(" ")
        else:
            out.append(token.content)
    return "".join(out)


def _head(statement: Statement) -> str:
    lines = (statement.title, statement.signed_by, statement.role)
    return "\n\n".join(_literal(line) for line in lines)


def _whole(wording: Wording) -> str:
    facts = f"{wording.phase}, {wording.occurred_at:%Y-%m-%d %H:%M} UTC"
    return f"{_literal(facts)}\n\n{_literal(wording.title)}\n\n{wording.body}"


def _literal(line: str) -> str:
    """Return a line as Markdown that shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!<>&|~])", r"\\\1", line)


def _key(heading: str) -> str:
    return heading.casefold().strip(" .:?!¿¡")
