"""Compute readable differences of two texts: paragraphs are matched first, then compared word by word."""

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple

from portal.core.i18n import mark as N_
from portal.incidents.models import Statement, Wording
from portal.web import markdown

if TYPE_CHECKING:
    from markdown_it.token import Token

SAME = "same"
ADDED = "added"
REMOVED = "removed"
# Longer texts are shown as removed and added, because comparing them would take too long.
MAX_WORDS = 600
MAX_PARAGRAPHS = 2_000
LOOKAHEAD = 6  # paragraphs searched for the new form of an old one
MIN_SIMILARITY = 0.35
_WORDS = re.compile(
    r"\s+|\w+(?:[’'@.,\-/:]+\w+)*|[^\w\s]"
)  # a number, an address or a time counts as one word


class Piece(NamedTuple):
    """A run of text; `what` is `same`, `added` or `removed`."""

    what: str
    text: str


@dataclass(frozen=True)
class Part:
    """The changed paragraphs of one part; `heading` is a message id if `translate` is set."""

    heading: str
    translate: bool
    paragraphs: list[list[Piece]]


@dataclass(frozen=True)
class Difference:
    """The changes between two versions in one language; unchanged parts are omitted."""

    older: int
    newer: int
    language: str
    parts: list[Part]


@dataclass(frozen=True)
class Rewording:
    """One edit of an update: its time, and the changed paragraphs."""

    at: datetime
    paragraphs: list[list[Piece]]


def of_statements(older: Statement, newer: Statement) -> Difference:
    """Compare two versions of the statement, part by part."""
    pairs: list[tuple[str, bool, str, str]] = [
        (N_("Title and signature"), True, _head(older), _head(newer)),
        (N_("Our apology"), True, older.apology, newer.apology),
    ]
    before = {_normalise(section.heading): section for section in older.sections}
    for section in newer.sections:
        gone = before.pop(_normalise(section.heading), None)
        pairs.append((section.heading, False, gone.text if gone else "", section.text))
    pairs += [(section.heading, False, section.text, "") for section in before.values()]
    parts = [
        Part(heading, translate, changes(old, new)) for heading, translate, old, new in pairs if old != new
    ]
    return Difference(older.number, newer.number, newer.language, [part for part in parts if part.paragraphs])


def of_wordings(wordings: Sequence[Wording]) -> list[Rewording]:
    """Compare consecutive wordings of an update, newest edit first."""
    edits = [
        Rewording(after.at, changes(_as_markdown(before), _as_markdown(after)))
        for before, after in itertools.pairwise(wordings)
    ]
    return [edit for edit in reversed(edits) if edit.paragraphs]


def changes(older: str, newer: str) -> list[list[Piece]]:
    """Return the differing paragraphs of two Markdown texts as pieces, in reading order."""
    old, new = list(paragraphs(older)), list(paragraphs(newer))
    many = len(old) + len(new) > MAX_PARAGRAPHS
    found: list[list[Piece]] = []
    for kind, old_from, old_to, new_from, new_to in SequenceMatcher(
        a=old, b=new, autojunk=many
    ).get_opcodes():
        if kind != "equal":
            found += _matched(old[old_from:old_to], new[new_from:new_to], 0 if many else LOOKAHEAD)
    return found


def paragraphs(text: str) -> Iterable[str]:
    """Yield the blocks of a Markdown text as plain lines, with the targets of links."""
    tokens = markdown.parse(text)
    marks: list[str] = []
    for token in tokens:
        if token.type == "list_item_open":
            marks.append(f"{token.info}. " if token.info else "• ")
        elif token.type == "inline":
            yield "".join(marks) + _plain_text(token.children or [])
            marks.clear()
        elif token.type in ("fence", "code_block"):
            yield "".join(marks) + token.content.strip("\n")
            marks.clear()


def _matched(old: list[str], new: list[str], lookahead: int) -> Iterable[list[Piece]]:
    """Yield changed paragraphs: similar ones compared word by word, the others as removed or added."""
    begin = 0
    for text in old:
        near = range(begin, min(begin + lookahead, len(new)))
        match = next((at for at in near if _are_similar(text, new[at])), None)
        if match is None:
            yield [Piece(REMOVED, text)]
            continue
        for other in new[begin:match]:
            yield [Piece(ADDED, other)]
        yield _word_pieces(text, new[match])
        begin = match + 1
    for other in new[begin:]:
        yield [Piece(ADDED, other)]


def _are_similar(one: str, other: str) -> bool:
    first, second = ([word for word in _WORDS.findall(text) if word.strip()] for text in (one, other))
    if max(len(first), len(second)) > MAX_WORDS:
        return False
    matcher = SequenceMatcher(a=first, b=second, autojunk=False)
    return matcher.quick_ratio() >= MIN_SIMILARITY and matcher.ratio() >= MIN_SIMILARITY


def _word_pieces(old: str, new: str) -> list[Piece]:
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
    return _merge_across_spaces(pieces)


def _merge_across_spaces(pieces: list[Piece]) -> list[Piece]:
    """Merge changes that only whitespace separates, so that a rewritten phrase is one change."""
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


def _plain_text(tokens: Sequence["Token"]) -> str:
    """Return inline tokens as plain text; each link's target follows its text in brackets."""
    out: list[str] = []
    addresses: list[str] = []
    for token in tokens:
        if token.type == "link_open":
            addresses.append(str(token.attrGet("href") or ""))
        elif token.type == "link_close":
            address = addresses.pop()
            out += [] if token.info == "auto" else [f" ({address})"]
        elif token.type in ("softbreak", "hardbreak"):
            out.append(" ")
        else:
            out.append(token.content)
    return "".join(out)


def _head(statement: Statement) -> str:
    lines = (statement.title, statement.signed_by, statement.role)
    return "\n\n".join(literal(line) for line in lines)


def _as_markdown(wording: Wording) -> str:
    when = f"{wording.occurred_at:%Y-%m-%d %H:%M} UTC" if wording.occurred_on is None else wording.occurred_on
    facts = f"{wording.phase}, {when}"
    return f"{literal(facts)}\n\n{literal(wording.title)}\n\n{wording.body}"


def literal(line: str) -> str:
    """Return a line with all Markdown syntax escaped."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!<>&|~])", r"\\\1", line)


def _normalise(heading: str) -> str:
    return heading.casefold().strip(" .:?!¿¡")
