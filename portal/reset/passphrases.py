"""Passphrases to suggest: words drawn at random from a list in the reader's language."""

import math
import secrets
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

WORDS = Path(__file__).parent / "words"
FALLBACK = "en"
ENTROPY_BITS = 64
JOINER = "-"  # seen on every screen, found on every keyboard, and no field trims it

Choice = Callable[[Sequence[str]], str]


class UnknownLanguage(LookupError):
    """There is no word list for this language."""


@cache
def languages() -> frozenset[str]:
    """Return the languages that have a word list."""
    return frozenset(path.stem for path in WORDS.glob("*.txt"))


@cache
def words(language: str) -> tuple[str, ...]:
    """Return the word list of a language. Raises UnknownLanguage."""
    if language not in languages():
        raise UnknownLanguage(language)
    return tuple((WORDS / f"{language}.txt").read_text(encoding="ascii").split())


def list_language(language: str) -> str:
    """Return the language whose list serves a reader of `language` (`es-MX` gets `es`), else English."""
    base = language.replace("_", "-").partition("-")[0].lower()
    return base if base in languages() else FALLBACK


def length(language: str) -> int:
    """Return how many words of this list reach 64 bits: five of a long list, six of a short one."""
    return math.ceil(ENTROPY_BITS / math.log2(len(words(language))))


def suggest(count: int, language: str, choice: Choice | None = None) -> list[str]:
    """Return passphrases in the reader's language, drawn by the system's random source by default."""
    draw = choice or secrets.SystemRandom().choice
    listed = list_language(language)
    source, number = words(listed), length(listed)
    return [JOINER.join(draw(source) for _ in range(number)) for _ in range(count)]
