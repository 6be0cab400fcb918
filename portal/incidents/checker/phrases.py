"""Find hedges, and apologies that do not apologise, in the language of the text.

The phrases are data: a file for each language in `words/`. Sources for the hedges and their replacements:
the breach notices studied by Zou and others, "Beyond mandatory: making data breach notifications useful for
consumers", IEEE Security & Privacy 2019; for apologies: Lazare, "On apology", 2004.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from portal.incidents.checker.findings import Finding, Weight
from portal.incidents.checker.links import ELSEWHERE, is_own
from portal.incidents.checker.prose import Link, Part, quoted
from portal.incidents.checker.site import Site

FOLDER = Path(__file__).parent / "words"
_SENTENCE = re.compile(r"[^.!?:;]+")
_GAP = r"\s{1,9}(?:\S{1,40}\s{1,9}){0,6}?"


@dataclass(frozen=True)
class Words:
    """What is looked for in one language; phrases are patterns, with how to write it instead."""

    apologies: re.Pattern[str] | None = None
    hedges: tuple[tuple[re.Pattern[str], str], ...] = ()
    not_apologies: tuple[tuple[re.Pattern[str], str], ...] = ()
    sections: tuple[tuple[str, int], ...] = ()
    insert: tuple[str, ...] = ()
    here: tuple[str, ...] = ()
    placeholders: frozenset[str] = frozenset()
    not_markers: frozenset[str] = frozenset()
    negations: re.Pattern[str] | None = None
    choose: re.Pattern[str] | None = None
    this_site: re.Pattern[str] | None = None
    passwords: re.Pattern[str] | None = None
    kinds: tuple[tuple[str, re.Pattern[str]], ...] = ()


@cache
def words_of(language: str) -> Words:
    """Return the words of a language, a BCP 47 tag; without a file of its own, the English placeholders."""
    file = FOLDER / f"{language.partition('-')[0].lower()}.toml"
    english = tomllib.loads((FOLDER / "en.toml").read_text(encoding="utf-8"))
    known = file.stem.isalpha() and file.is_file()
    own = tomllib.loads(file.read_text(encoding="utf-8")) if known else {}
    return Words(
        apologies=_pattern("|".join(own["apologies"])) if own else None,
        hedges=_phrases(own.get("hedges", {})),
        not_apologies=_phrases(own.get("not_apologies", {})),
        sections=tuple(own.get("sections", {}).items()),
        insert=tuple(dict.fromkeys([*english["insert"], *own.get("insert", ())])),
        here=tuple(dict.fromkeys([*english["here"], *own.get("here", ())])),
        placeholders=frozenset([*english["placeholders"], *own.get("placeholders", ())]),
        not_markers=frozenset(own.get("not_markers", ())),
        negations=_pattern("|".join(own["negations"])) if own else None,
        choose=_pattern("|".join(own["choose"])) if own else None,
        this_site=_pattern("|".join(own["this_site"])) if own else None,
        passwords=_pattern("|".join(own["kinds"]["passwords"])) if own else None,
        kinds=tuple((kind, _pattern("|".join(said))) for kind, said in own.get("kinds", {}).items()),
    )


def hedges(part: Part, language: str) -> Iterator[Finding]:
    """Yield the phrases that say less than what is known."""
    for paragraph in part.paragraphs:
        for at, said, instead in _first_matches(words_of(language).hedges, paragraph.text):
            offset = paragraph.offset_of(at)
            yield part.finding("hedge", Weight.WARN, offset, f"{quoted(said)} hedges", instead)


def passwords_here(part: Part, site: Site, language: str) -> Iterator[Finding]:
    """Yield the sentences that tell people to choose a password here, where that is done elsewhere."""
    words = words_of(language)
    needed = (words.choose, words.this_site, words.passwords)
    if not site.company_page or None in needed:
        return
    for paragraph in part.paragraphs:
        # “Here” in the words of a link is where that leads.
        linked = [link.words for link in paragraph.links if not _is_here(link, site)]
        for sentence in _SENTENCE.finditer(_plain(paragraph.text)):
            said = sentence[0]
            if (
                all(each is not None and each.search(said) for each in needed)
                and not (words.negations and words.negations.search(said))
                and not any(_plain(link) in said for link in linked)
            ):
                at = sentence.start() + len(said) - len(said.lstrip())
                reason = (
                    f"{quoted(paragraph.text[at : sentence.end()])}: passwords are not changed on this site"
                )
                example = f"[…]({site.company_page})"
                yield part.finding(ELSEWHERE, Weight.WARN, paragraph.offset_of(at), reason, example)


def _is_here(link: Link, site: Site) -> bool:
    try:
        target = urlsplit(link.href)
    except ValueError:
        return False
    return not target.netloc or is_own(target, site)


def apology_faults(apology: Part, others: Sequence[Part], language: str) -> Iterator[Finding]:
    """Yield the phrases of a statement that pass for an apology, and whether it has none."""
    words = words_of(language)
    for part in (apology, *others):
        for paragraph in part.paragraphs:
            for at, said, instead in _first_matches(words.not_apologies, paragraph.text):
                reason = f"{quoted(said)} is no apology: it does not say what we did wrong"
                yield part.finding("passive-apology", Weight.ASK, paragraph.offset_of(at), reason, instead)
    if words.apologies is not None and not words.apologies.search(_plain(apology.text())):
        reason = "the apology does not say sorry"
        yield apology.finding("no-apology", Weight.ASK, 0, reason, _SORRY[language.partition("-")[0]])


_SORRY = {
    "en": "We’re sorry. We didn’t keep your data safe.",
    "es": "Lo sentimos. No protegimos sus datos.",
    "de": "Es tut uns leid. Wir haben Ihre Daten nicht geschützt.",
    "fr": "Nous sommes désolés. Nous n’avons pas protégé vos données.",
}


def _first_matches(phrases: Sequence[tuple[re.Pattern[str], str]], text: str) -> list[tuple[int, str, str]]:
    """Return (position, words, what to write instead) of matches that do not overlap, in their order."""
    plain = _plain(text)
    found = [
        (match.start(), match.end(), instead)
        for pattern, instead in phrases
        for match in pattern.finditer(plain)
    ]
    taken: list[tuple[int, str, str]] = []
    end = 0
    for start, after, instead in sorted(found, key=lambda one: (one[0], -one[1])):
        if start >= end:
            taken.append((start, text[start:after], instead))
            end = after
    return taken


def _phrases(table: dict[str, str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((_pattern(_phrase(phrase)), instead) for phrase, instead in table.items())


def _phrase(phrase: str) -> str:
    halves = [r"\s+".join(re.escape(word) for word in half.split()) for half in _plain(phrase).split("…")]
    return _GAP.join(halves)


def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)


def _plain(text: str) -> str:
    """Return a text of the same length with one kind of apostrophe."""
    return text.replace("’", "'").replace("ʼ", "'").replace("‘", "'")
