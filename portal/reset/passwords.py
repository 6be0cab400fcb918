"""Check new passwords against blocklists, and suggest passphrases (NIST SP 800-63B-4, section 3.1.1.2).

The password is checked as a whole, never by substring: it is refused if it is a known common password, or if
almost nothing remains after removing guessable pieces (own names, common words, sequences, dates). There are
no composition rules.
"""

import json
import math
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import pairwise
from pathlib import Path

from portal.core.i18n import matching_language
from portal.core.shipped import STATIC
from portal.reset.rejections import (
    COMMON,
    FEW_WORDS,
    ORGANISATION,
    OWN_WORDS,
    REPEATED,
    SEQUENCE,
    TOO_SHORT,
    UNUSABLE_CHARACTER,
    PasswordRefused,
    PasswordTooLong,
    Rejection,
)

LISTS = STATIC / "words"  # the strength meter reads the same files
RULES = json.loads((LISTS / "rules.json").read_text(encoding="utf-8"))  # and judges by the same numbers
MINIMUM: int = RULES["minimum"]
MAXIMUM: int = RULES["maximum"]
MAXIMUM_BYTES = 1024
MAXIMUM_OWN_WORDS = 32
SHORTEST_COMMON: int = RULES["shortestCommon"]  # shorter ones ("abc", "sex") are part of too many good words
SHORTEST_OWN: int = RULES["shortestOwn"]
LONGEST_COMMON: int = RULES["longestCommon"]
SHORTEST_RUN: int = RULES["shortestRun"]
SHORTEST_WALK: int = RULES["shortestWalk"]  # many plain words are four adjacent keys ("were", "free")
FREE_DIGITS: int = RULES["freeDigits"]  # ignored beside a guessable word: a date; more digits add strength
PIECE_BITS: float = RULES["pieceBits"]  # tie-break: of equal covers, prefer the one with fewer pieces
LITTLE: int = RULES["little"]  # fewer characters than this outside guessable pieces do not protect
COMMON_BITS: float = RULES["commonBits"]  # common words whose ranks add up to this make a passphrase
UNUSABLE = frozenset({"Cc", "Cs"})

SHORTEST = (SHORTEST_RUN, SHORTEST_WALK)
_PARTS = re.compile(r"[^\W_]+")
_TRIMMINGS: str = RULES["trimmings"]
_LOOK_ALIKES = str.maketrans(RULES["lookAlikes"])


class Kind(Enum):
    """The reason why a piece of a password is guessable."""

    OWN = "own"
    ORGANISATION = "organisation"
    COMMON = "common"
    SEQUENCE = "sequence"


@dataclass(frozen=True, slots=True)
class Piece:
    """A guessable piece of a password: end index, kind, strength in bits, and text."""

    end: int
    kind: Kind
    bits: float
    text: str


Guessed = dict[str, tuple[tuple[str, Kind], ...]]

_REFUSED_BY = (
    (Kind.OWN, OWN_WORDS),
    (Kind.ORGANISATION, ORGANISATION),
    (Kind.COMMON, COMMON),
    (Kind.SEQUENCE, SEQUENCE),
)


def normalise(password: str) -> str:
    """Return a password in the form that is counted and hashed (NFC). Raises PasswordRefused."""
    if len(password) > MAXIMUM_BYTES:
        raise PasswordTooLong
    if any(unicodedata.category(character) in UNUSABLE for character in password):
        raise PasswordRefused(UNUSABLE_CHARACTER)
    if len(password.encode()) > MAXIMUM_BYTES:
        raise PasswordTooLong
    composed = unicodedata.normalize("NFC", password)
    if len(composed) > MAXIMUM:
        raise PasswordTooLong
    return composed


def check(password: str, *, own_words: Sequence[str], organisation: str) -> tuple[Rejection, ...]:
    """Return all reasons why this new password is refused, none if it may be used.

    Never raises PasswordRefused. Of a password that is too long nothing else is checked.
    """
    try:
        composed = normalise(password)
    except PasswordTooLong as refused:
        return (refused.rejection,)
    except PasswordRefused as refused:
        usable = "".join(one for one in password if unicodedata.category(one) not in UNUSABLE)
        return (refused.rejection, *check(usable, own_words=own_words, organisation=organisation))
    plain = folded(composed)
    spelled = plain.translate(_LOOK_ALIKES)
    guessed = _guessed(tuple(own_words[:MAXIMUM_OWN_WORDS]), organisation)
    reasons = _nothing_left(plain, spelled, guessed)
    if _is_known(plain) or _is_known(spelled):
        reasons = (COMMON, *_of_words(reasons))
    elif _repeats(plain) or _repeats(plain.strip(_TRIMMINGS)) or _repeats(_squeezed(plain)):
        reasons = (REPEATED, *_of_words(reasons))
    return (TOO_SHORT, *reasons) if len(composed) < MINIMUM else reasons


def folded(text: str) -> str:
    """Return `text` as an attacker would guess it: NFKD, case-folded, without accents."""
    decomposed = unicodedata.normalize("NFKD", text)
    if len(decomposed) > 2 * MAXIMUM:  # some characters decompose into phrases; limit the work
        return text.casefold()
    lower = unicodedata.normalize("NFKD", decomposed.casefold())
    return "".join(character for character in lower if not unicodedata.combining(character))


def _squeezed(form: str) -> str:
    return "".join(character for character in form if character.isalnum())


def _is_known(form: str) -> bool:
    squeezed = _squeezed(form)
    return form in _common() or squeezed in _common() or squeezed in _phrases()


def _repeats(form: str) -> bool:
    """Return whether the text repeats one short piece (the last repetition may be incomplete)."""
    border = [0] * len(form)
    for place in range(1, len(form)):
        length = border[place - 1]
        while length and form[place] != form[length]:
            length = border[length - 1]
        border[place] = length + (form[place] == form[length])
    period = len(form) - border[-1] if form else 0
    return 0 < period < MINIMUM and period * 2 <= len(form)


def _of_words(reasons: tuple[Rejection, ...]) -> tuple[Rejection, ...]:
    """Return the reasons that stay true of a password whatever else is changed about it."""
    return tuple(reason for reason in reasons if reason in (OWN_WORDS, ORGANISATION))


def _nothing_left(plain: str, spelled: str, guessed: Guessed) -> tuple[Rejection, ...]:
    """Return why the parts outside guessable pieces do not protect, or nothing if they do."""
    pieces, left = _best_cover(plain, spelled, guessed)
    kinds = {piece.kind for piece in pieces}
    common = {piece.text: piece.bits for piece in pieces if piece.kind is Kind.COMMON}
    protecting = _protecting(left, decorated=bool(kinds - {Kind.SEQUENCE}))
    if protecting >= LITTLE or sum(common.values()) >= COMMON_BITS:
        return ()
    if kinds <= {Kind.COMMON, Kind.SEQUENCE} and len(common) > 1:
        return (FEW_WORDS,)
    reasons = tuple(rejection for kind, rejection in _REFUSED_BY if kind in kinds)
    return _of_words(reasons) or reasons[:1]


def _protecting(left: list[str], *, decorated: bool) -> int:
    """Count characters outside guessable pieces; each symbol once, a date beside a word not at all."""
    signs = {character for character in left if not character.isalnum()}
    digits = sum(character.isdigit() for character in left)
    letters = sum(character.isalnum() and not character.isdigit() for character in left)
    free = FREE_DIGITS if decorated else 0
    return letters + len(signs) + max(0, digits - free)


def _best_cover(plain: str, spelled: str, guessed: Guessed) -> tuple[list[Piece], list[str]]:
    """Return the guessable pieces that cover most of the text, and the characters outside them.

    Dynamic programming from the end to the start: each position is computed once.
    """
    best: list[tuple[int, float, Piece | None]] = [(0, 0.0, None)] * (len(plain) + 1)
    ends = (runs(plain), walks(plain))
    for start in range(len(plain) - 1, -1, -1):
        left, bits, _ = best[start + 1]
        choice: tuple[int, float, Piece | None] = (left + 1, bits, None)
        for piece in _pieces(plain, spelled, start, guessed, (ends[0][start], ends[1][start])):
            left, bits, _ = best[piece.end]
            if (left, bits + piece.bits + PIECE_BITS) < choice[:2]:
                choice = (left, bits + piece.bits + PIECE_BITS, piece)
        best[start] = choice
    pieces: list[Piece] = []
    outside: list[str] = []
    place = 0
    while place < len(plain):
        chosen = best[place][2]
        if chosen is None:
            outside.append(plain[place])
            place += 1
        else:
            pieces.append(chosen)
            place = chosen.end
    return pieces, outside


def _pieces(plain: str, spelled: str, start: int, guessed: Guessed, ends: tuple[int, int]) -> Iterable[Piece]:
    further = max(
        end if end - start >= shortest else start for end, shortest in zip(ends, SHORTEST, strict=True)
    )
    for text in (plain,) if plain == spelled else (plain, spelled):
        for word, kind in guessed.get(text[start : start + SHORTEST_OWN], ()):
            if text.startswith(word, start):
                yield Piece(start + len(word), kind, 0.0, word)
        for length in _lengths().get(text[start : start + SHORTEST_COMMON], ()):
            if start + length <= further:
                continue
            word = text[start : start + length]
            if word in _common() and _mostly_letters(plain[start : start + length]):
                yield Piece(start + len(word), Kind.COMMON, _common()[word], word)
    if further > start:
        yield Piece(further, Kind.SEQUENCE, 0.0, plain[start:further])


def _mostly_letters(text: str) -> bool:
    """Return whether text is a word with look-alikes ("p4ssw0rd"), not a number that spells one ("5310")."""
    return 2 * sum(character.isalpha() for character in text) > len(text)


def _guessed(own_words: tuple[str, ...], organisation: str) -> Guessed:
    """Return the guessable words of this person, keyed by first three letters; never cached."""
    found: dict[str, list[tuple[str, Kind]]] = {}
    company = _words_of((organisation,))
    for kind, words in ((Kind.ORGANISATION, company), (Kind.OWN, _words_of(own_words) - company)):
        for word in sorted(words, key=len, reverse=True):
            found.setdefault(word[:SHORTEST_OWN], []).append((word, kind))
    return {start: tuple(words) for start, words in found.items()}


def _words_of(texts: tuple[str, ...]) -> frozenset[str]:
    """Return the folded parts of names and addresses, and those joined ("annalopez")."""
    found: set[str] = set()
    for text in texts:
        form = folded(text[:MAXIMUM])
        parts = _PARTS.findall(form)
        local = _PARTS.findall(form.partition("@")[0])
        found.update(parts, ("".join(parts), "".join(local)))
    return frozenset(word for word in found if len(word) >= SHORTEST_OWN)


@cache
def _common() -> dict[str, float]:
    """Return the common passwords, each with its strength in bits (log2 of its rank)."""
    ranked: dict[str, float] = {}
    for place, line in enumerate(_lines("common-passwords")):
        ranked.setdefault(line, math.log2(place + 2))
    return ranked


@cache
def _lengths() -> dict[str, tuple[int, ...]]:
    """Return the lengths of common words, keyed by first four letters; numbers are excluded."""
    found: dict[str, set[int]] = {}
    for word in _common():
        if SHORTEST_COMMON <= len(word) <= LONGEST_COMMON and not word.isdigit():
            found.setdefault(word[:SHORTEST_COMMON], set()).add(len(word))
    return {start: tuple(sorted(lengths)) for start, lengths in found.items()}


@cache
def _phrases() -> frozenset[str]:
    return frozenset(_lines("famous-phrases"))


def _lines(name: str) -> list[str]:
    """Return the lines of a list in the form that passwords are compared in, whatever their alphabet."""
    return [folded(line) for line in (LISTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()]


@cache
def touching() -> frozenset[str]:
    """Return all pairs of adjacent keys, in both directions, of the keyboards in `keyboards.txt`.

    A keyboard is a line of its rows; a key is adjacent to its neighbours in the row and to two keys below it.
    """
    pairs: set[str] = set()
    for keyboard in _lines("keyboards"):
        for upper, lower in pairwise((*keyboard.split(), "")):
            for column, key in enumerate(upper):
                below = lower[max(0, column - 1) : column + 1]
                beside = upper[column + 1 : column + 2]
                pairs.update(key + other for other in below + beside)
                pairs.update(other + key for other in below + beside)
    return frozenset(pairs)


def walks(text: str) -> list[int]:
    """Return, for each position in `text`, the end of the walk over adjacent keys that starts there."""
    pairs = touching()
    ends = list(range(1, len(text) + 1))
    for start in range(len(text) - 2, -1, -1):
        if text[start : start + 2] in pairs:
            ends[start] = ends[start + 1]
    return ends


def runs(text: str) -> list[int]:
    """Return, for each position in `text`, the end of the run that starts there (aaa, abc, 321, 8901)."""
    steps = [_step(first, second) for first, second in pairwise(text)]
    ends = list(range(1, len(text) + 1))
    for start in range(len(text) - 2, -1, -1):
        if steps[start] is None:
            continue
        longer = start + 1 < len(steps) and steps[start] == steps[start + 1]
        ends[start] = ends[start + 1] if longer else start + 2
    return ends


def _step(first: str, second: str) -> int | None:
    if first + second in {"90", "09"}:
        return 1 if first == "9" else -1
    if first != second and not (first.isalnum() and second.isalnum()):
        return None
    distance = ord(second) - ord(first)
    return distance if abs(distance) <= 1 else None


WORDS = Path(__file__).parent / "words"
FALLBACK = "en"
ENTROPY_BITS = 64
JOINER = "-"  # visible on every screen, present on every keyboard, and not trimmed by form fields

Choice = Callable[[Sequence[str]], str]


class UnknownLanguage(LookupError):
    """There is no word list for this language."""


@cache
def languages() -> frozenset[str]:
    """Return the languages that have a word list."""
    return frozenset(path.stem for path in WORDS.glob("*.txt"))


@cache
def words(language: str) -> tuple[str, ...]:
    """Return the word list of a language. Raises UnknownLanguage when there is none."""
    if language not in languages():
        raise UnknownLanguage(language)
    text = (WORDS / f"{language}.txt").read_text(encoding="utf-8")
    return tuple(unicodedata.normalize("NFC", text).split())


def list_language(language: str) -> str:
    """Return the word list's language for `language` (`es-MX` gets `es`), or English."""
    return matching_language(language, tuple(sorted(languages()))) or FALLBACK


def length(language: str) -> int:
    """Return how many words of this list reach 64 bits (five of a long list, six of a short one)."""
    return math.ceil(ENTROPY_BITS / math.log2(len(words(language))))


def suggest(count: int, language: str, choice: Choice | None = None) -> list[str]:
    """Return `count` passphrases of at least 64 bits in a language, by default from the system's CSPRNG."""
    draw = choice or secrets.SystemRandom().choice
    listed = list_language(language)
    source, number = words(listed), length(listed)
    return [JOINER.join(draw(source) for _ in range(number)) for _ in range(count)]
