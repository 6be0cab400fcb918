"""How hard a text is to read, by the published formula of its language, with syllables counted by pyphen.

English: Flesch-Kincaid grade (Kincaid and others, Naval Technical Training Command, 1975). Spanish: Fernández
Huerta, "Medidas sencillas de lecturabilidad", Consigna 214, 1959, with the bands of the INFLESZ scale
(Barrio-Cantalejo and others, 2008). German: first Wiener Sachtextformel (Bamberger and Vanecek, 1984).
French: Kandel and Moles, "Application de l'indice de Flesch à la langue française", 1958.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from portal.incidents.checker.findings import Finding, Weight
from portal.incidents.checker.prose import Part, quoted

if TYPE_CHECKING:
    from pyphen import Pyphen

DICTIONARIES = {"en": "en_US", "es": "es", "de": "de_DE", "fr": "fr"}
LEAST_WORDS = 5
LONG = 25  # words: the limit of GOV.UK's style
MOST_LISTED = 3
MOST_WORDS = 20_000
_LONG_WORD = 6  # letters, of the Wiener Sachtextformel
_MANY_SYLLABLES = 3
# Of the school years that a text asks for, and of the two scales where 100 is easiest.
_HARD_GRADE = 9.0
_HARD_EASE = {"es": 55.0, "fr": 50.0}
_BANDS = ((80.0, "very easy"), (65.0, "fairly easy"), (55.0, "normal"), (40.0, "hard"))

_NOT_WORDS = re.compile(r"\S{1,100}@\S{1,100}|(?:https?://|www\.)\S{1,200}|(?<!\S)/[\w/.-]{1,100}")
_WORD = re.compile(r"[^\W_]+(?:[’'-][^\W_]+)*")
_END = re.compile(r"[.!?…][”»“)’'\"]{0,3}(?=\s)")
_TITLES = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Sr|Sra|St|No|e\.g|i\.e|z\.B|Nr|Mme|p\.ej|etc|approx|ca)\.\Z")


@dataclass(frozen=True)
class Sentence:
    """A sentence with the line of its part on which it begins, counted from 0."""

    part: Part
    offset: int
    text: str
    words: int
    syllables: int
    long_words: int
    hard_words: int
    short_words: int


@dataclass(frozen=True)
class Readability:
    """How hard a text is: the value of its formula, in words, and whether it is too hard."""

    value: float
    words: str
    too_hard: bool
    longest: tuple[Sentence, ...]


def readability(parts: Iterable[Part], language: str) -> Readability | None:
    """Return how hard the parts are together; None without sentences, or in a language without a formula."""
    tag = language.partition("-")[0].lower()
    if tag not in DICTIONARIES:
        return None
    found: list[Sentence] = []
    count = 0
    for sentence in (one for part in parts for one in sentences(part, tag)):
        found.append(sentence)
        count += sentence.words
        if count > MOST_WORDS:
            break
    if not found:
        return None
    value = _value(found, tag)
    longest = sorted((one for one in found if one.words > LONG), key=lambda one: -one.words)[:MOST_LISTED]
    return Readability(value, *_in_words(value, tag), tuple(longest))


def readability_findings(parts: Sequence[Part], language: str) -> Iterator[Finding]:
    """Yield that a text is hard to read, and its longest sentences."""
    found = readability(parts, language)
    if found is None:
        return
    if found.too_hard:
        reason = f"hard to read: {found.words}. Write shorter sentences, and words that people use"
        yield Finding("hard-to-read", Weight.WARN, None, reason)
    for one in found.longest:
        reason = f"a sentence of {one.words} words; at most {LONG} are easy to read: {quoted(one.text, 80)}"
        yield one.part.finding("long-sentence", Weight.WARN, one.offset, reason, "Make two sentences of it.")


def sentences(part: Part, language: str) -> Iterator[Sentence]:
    """Yield the running sentences of a part: no headings, nor lines of less than five words."""
    for paragraph in part.paragraphs:
        if paragraph.heading:
            continue
        start = 0
        text = _NOT_WORDS.sub(lambda found: " " * len(found[0]), paragraph.text)
        for end in [
            *(one.end() for one in _END.finditer(text) if not _TITLES.search(text[: one.end()][-8:])),
            len(text),
        ]:
            said = text[start:end]
            words = _WORD.findall(said)
            if len(words) >= LEAST_WORDS:
                begin = start + len(said) - len(said.lstrip())
                counts = [_syllables(word.lower(), language) for word in words]
                yield Sentence(
                    part,
                    paragraph.offset_of(begin),
                    paragraph.text[begin:end],
                    len(words),
                    sum(counts),
                    long_words=sum(len(word) > _LONG_WORD for word in words),
                    hard_words=sum(count >= _MANY_SYLLABLES for count in counts),
                    short_words=counts.count(1),
                )
            start = end


@cache
def _hyphenation(language: str) -> "Pyphen":
    from pyphen import Pyphen  # noqa: PLC0415 - reads its folder of dictionaries

    # One letter may stand alone: "a-bout" has two syllables, though no printer breaks it there.
    return Pyphen(lang=DICTIONARIES[language], left=1, right=1)


@lru_cache(maxsize=20_000)
def _syllables(word: str, language: str) -> int:
    return 1 if len(word) > 60 else len(_hyphenation(language).positions(word)) + 1  # noqa: PLR2004 - no word


def _value(found: Sequence[Sentence], language: str) -> float:
    count = sum(one.words for one in found)
    length = count / len(found)
    each = sum(one.syllables for one in found) / count
    match language:
        case "es":
            return 206.84 - 60 * each - 1.02 * length
        case "fr":
            return 207 - 1.015 * length - 73.6 * each
        case "de":
            hard, long, short = (
                100 * sum(numbers) / count
                for numbers in (
                    [one.hard_words for one in found],
                    [one.long_words for one in found],
                    [one.short_words for one in found],
                )
            )
            return 0.1935 * hard + 0.1672 * length + 0.1297 * long - 0.0327 * short - 0.875
        case _:
            return 0.39 * length + 11.8 * each - 15.59


def _in_words(value: float, language: str) -> tuple[str, bool]:
    if language in _HARD_EASE:
        band = next((words for least, words in _BANDS if value >= least), "very hard")
        wanted = _HARD_EASE[language]
        return f"{value:.0f} of 100 ({band}; {wanted:.0f} or more is the aim)", value < wanted
    return f"school year {max(value, 1):.0f} ({_HARD_GRADE:.0f} or less is the aim)", value > _HARD_GRADE
