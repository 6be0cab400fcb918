"""Translate where there is no request: in mails, jobs and services."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel import Locale

TRANSLATIONS = Path(__file__).parent.parent / "translations"
SOURCE_LANGUAGE = "en"


def mark(text: str) -> str:
    """Return `text` unchanged; marks it for extraction into the catalogues."""
    return text


@dataclass(frozen=True)
class Catalogue:
    """The translations of one language."""

    language: str
    gettext: Callable[[str], str]
    ngettext: Callable[[str, str, int], str]

    @property
    def direction(self) -> str:
        """The direction in which the language is written: `ltr` or `rtl`."""
        return Locale.parse(self.language).text_direction


@cache
def catalogue(language: str) -> Catalogue:
    """Return the translations of `language`, a BCP 47 tag; English where there is no catalogue."""
    from babel.support import Translations  # noqa: PLC0415 - slow to import, and few commands translate

    tag = language.replace("-", "_")
    loaded = Translations.load(TRANSLATIONS, [tag])
    return Catalogue(language, loaded.gettext, loaded.ngettext)


@cache
def best_language(wanted: str | None, offered: tuple[str, ...]) -> str:
    """Return the offered language that matches `wanted` best (`es` for `es-MX`), else the first one."""
    if wanted:
        tag = wanted.strip().replace("_", "-").lower()
        for candidate in (tag, tag.split("-")[0]):
            for language in offered:
                if language.lower() == candidate:
                    return language
    return offered[0]
