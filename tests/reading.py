"""How easy a text is to read, by the published formulas, with syllables counted by pyphen.

English: Flesch-Kincaid grade (Kincaid and others, 1975), school years. Spanish: Fernández Huerta (1959), 100
is easiest. Placeholders, addresses and codes do not count, nor sentences of less than five words.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from pyphen import Pyphen

LEAST_WORDS = 5
NOT_WORDS = re.compile(r"%\(\w+\)[sd]|\{\w+\}|\S*@\S+|https?://\S*|\S+\.(?:example|com|md)\b|/[\w/.-]+/?")
WORD = re.compile(r"[^\W_]+(?:[’'-][^\W_]+)*")
SENTENCE_END = re.compile(r"(?<=[.!?])[”»)]*\s+|\n+")
RUNNING = re.compile(r"[.!?:][”»)]*\s*\Z")  # no heading, button or subject
DICTIONARIES = {"en": "en_US", "es": "es"}


@dataclass(frozen=True)
class Sentence:
    text: str
    words: int
    syllables: int


@cache
def hyphenation(language: str) -> Pyphen:
    # One letter may stand alone: "a-bout" has two syllables though no printer breaks it there.
    return Pyphen(lang=DICTIONARIES[language], left=1, right=1)


@cache
def syllables(word: str, language: str) -> int:
    return len(hyphenation(language).positions(word)) + 1


def sentences(texts: Iterable[str], language: str) -> Iterator[Sentence]:
    """The running sentences of some texts."""
    for text in texts:
        for part in SENTENCE_END.split(NOT_WORDS.sub(" ", text)):
            words = WORD.findall(part)
            if len(words) >= LEAST_WORDS and RUNNING.search(part):
                yield Sentence(part.strip(), len(words), sum(syllables(word, language) for word in words))


def grade(found: Iterable[Sentence]) -> float:
    """The mean Flesch-Kincaid grade of English sentences."""
    words, each, count = _totals(found)
    return 0.39 * words / count + 11.8 * each / words - 15.59


def ease(found: Iterable[Sentence]) -> float:
    """The mean reading ease of Spanish sentences, after Fernández Huerta."""
    words, each, count = _totals(found)
    return 206.84 - 60 * each / words - 1.02 * words / count


def _totals(found: Iterable[Sentence]) -> tuple[int, int, int]:
    listed = list(found)
    return sum(one.words for one in listed), sum(one.syllables for one in listed), len(listed)
