"""Find data classes by what people call them: the taxonomy's name, what readers see, or a synonym."""

import csv
import gettext
import re
import unicodedata
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path

from portal.core.i18n import TRANSLATIONS, shipped_languages
from portal.datakinds import taxonomy
from portal.datakinds.taxonomy import SEPARATOR, DataClass, UnknownDataClass

FILE = Path(__file__).parent / "synonyms.csv"
MOST_SUGGESTED = 3
_CLOSE = 0.75
# An unknown name is repeated only where it looks like the operator's own word, not like somebody's data.
_WORDS = re.compile(r"[^\W\d_](?:[^\W\d]|[ ()'’-]){0,39}\Z")
# What names mean that are no data class: pairs of such a name, and of a class's.
Meanings = tuple[tuple[str, str], ...]
# Apostrophes and hyphens as Word and phones write them.
_PLAIN = str.maketrans("’‘`´‐‑–—", "''''----")


class UnknownNames(UnknownDataClass):
    """A list has names that no class has; `names` are those that look like words, without duplicates."""

    def __init__(self, message: str, names: tuple[str, ...]) -> None:
        """Take the message about the first of them, and the names."""
        self.names = names
        super().__init__(message)


def find(name: str) -> DataClass:
    """Return the class with this name, or that readers of a shipped language see under it.

    Ignores case, accents, and how blanks, apostrophes and hyphens are written. A synonym is not enough: see
    `search`. Raises UnknownDataClass.
    """
    try:
        return taxonomy.find(name)
    except UnknownDataClass:
        found = _by_shown_name().get(_folded(name))
        if found is None:
            raise
        return found


@lru_cache(maxsize=4096)
def parse_classes(text: str, meanings: Meanings = ()) -> tuple[DataClass, ...]:
    """Return the classes of a list in its order, without duplicates.

    They are separated by `;`, or by commas or bars where no name contains one. Empty parts are skipped.
    `meanings` say what further names mean. Raises UnknownNames, which quotes the first unknown name if it
    looks like words, else says its position.
    """
    meant = {_folded(name): find(of) for name, of in meanings}
    found: dict[DataClass, None] = {}
    unknown: dict[str, int] = {}
    for position, name in enumerate(text.split(SEPARATOR), start=1):
        for part in _parts(name, meant):
            try:
                found[_meant(part, meant)] = None
            except UnknownDataClass:
                unknown.setdefault(part, position)
    if unknown:
        words = tuple(name for name in unknown if _WORDS.match(name))
        raise UnknownNames(_unknown(*next(iter(unknown.items()))), words)
    return tuple(found)


def _parts(text: str, meant: Mapping[str, DataClass]) -> list[str]:
    """Return a name that is known as a whole, or else what commas and bars separate."""
    try:
        _meant(text, meant)
    except UnknownDataClass:
        return [part.strip() for part in re.split(r"[,|]", text) if part.strip()]
    return [text.strip()]


def _meant(name: str, meant: Mapping[str, DataClass]) -> DataClass:
    try:
        return find(name)
    except UnknownDataClass:
        found = meant.get(_folded(name))
        if found is None:
            raise
        return found


@lru_cache(maxsize=1024)
def _unknown(name: str, position: int) -> str:
    if not _WORDS.match(name):
        return f"name {position} is not a data class of the taxonomy"
    return f"'{name}' is not a data class.{did_you_mean(name)}"


def did_you_mean(name: str) -> str:
    """Return a question that names the classes that are meant, with a blank before it; empty for none."""
    near = suggestions(name)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def shown(data_class: DataClass, language: str) -> str:
    """Return the name of a class that readers of a language see; English where it has no catalogue."""
    return _catalogue(language).gettext(data_class.name)


def search(text: str) -> list[DataClass]:
    """Return the classes that a text may stand for, the most likely first; all of them for an empty one.

    First those that are called so, then those with a name in which each word begins one; where there are
    none, those with a name that is spelled nearly so.
    """
    wanted = _folded(text)
    called = [one for one in taxonomy.load() if wanted in _names(one)]
    words = [one for one in taxonomy.load() if any(_begin_in(wanted, name) for name in _names(one))]
    return list(dict.fromkeys((*called, *words))) or _nearly(wanted)


def suggestions(text: str) -> tuple[str, ...]:
    """Return the names of the classes that are called so, else of the few that a text may stand for."""
    wanted = _folded(text)
    called = [one for one in taxonomy.load() if wanted in _names(one)]
    found = called or (search(text) if wanted else [])
    return tuple(one.name for one in found[:MOST_SUGGESTED])


def _begin_in(words: str, name: str) -> bool:
    return all(any(part.startswith(word) for part in name.split()) for word in words.split())


def _nearly(wanted: str) -> list[DataClass]:
    every = {name: one for one in taxonomy.load() for name in _names(one)}
    near = get_close_matches(wanted, every, n=2 * MOST_SUGGESTED, cutoff=_CLOSE)
    return list(dict.fromkeys(every[name] for name in near))


def _folded(text: str) -> str:
    """Return a text in lower case without accents, with plain apostrophes and single blanks."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_PLAIN).casefold())
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).split())


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    folder = language.replace("-", "_")
    return gettext.translation("datakinds", TRANSLATIONS, [folder], fallback=True)


@cache
def _by_shown_name() -> dict[str, DataClass]:
    return {_folded(name): one for one in taxonomy.load() for name in _shown_names(one)}


def _shown_names(data_class: DataClass) -> Iterator[str]:
    yield data_class.name
    for language in shipped_languages():
        yield shown(data_class, language)


@cache
def _names(data_class: DataClass) -> frozenset[str]:
    """Return everything that a class is called, folded."""
    return frozenset(_folded(name) for name in (*_shown_names(data_class), *synonyms()[data_class.name]))


@cache
def synonyms() -> dict[str, tuple[str, ...]]:
    """Return other words for each class, by its name, in English and Spanish."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return {
            row["data_class"]: tuple(
                word for language in ("en", "es") for word in row[language].split(SEPARATOR)
            )
            for row in csv.DictReader(file)
        }
