"""Words in the reader's language for what has no request: mails, jobs and services."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel import Locale
from babel.support import NullTranslations, Translations

TRANSLATIONS = Path(__file__).parent.parent / "translations"
SOURCE_LANGUAGE = "en"


def mark(text: str) -> str:
    """Mark `text` for translation later, and return it as it is."""
    return text


@dataclass(frozen=True)
class Catalogue:
    """One language's words."""

    language: str
    gettext: Callable[[str], str]
    ngettext: Callable[[str, str, int], str]

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`, the way this language is written."""
        return Locale.parse(self.language).text_direction


@cache
def catalogue(language: str) -> Catalogue:
    """Return the words of `language` (a BCP 47 tag); a language without a catalogue reads in English."""
    tag = language.replace("-", "_")
    loaded: NullTranslations = Translations.load(TRANSLATIONS, [tag])
    return Catalogue(language, loaded.gettext, loaded.ngettext)


@cache
def best_language(wanted: str | None, offered: tuple[str, ...]) -> str:
    """Return the offered language that is nearest to `wanted` (`es-MX` gets `es`), else the first one."""
    if wanted:
        tag = wanted.strip().replace("_", "-").lower()
        for candidate in (tag, tag.split("-")[0]):
            for language in offered:
                if language.lower() == candidate:
                    return language
    return offered[0]
