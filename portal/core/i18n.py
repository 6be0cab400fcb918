"""Translate where there is no request: in mails, jobs and services."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from babel import Locale
from babel.core import LOCALE_ALIASES, get_global, parse_locale

if TYPE_CHECKING:
    from babel.support import NullTranslations

TRANSLATIONS = Path(__file__).parent.parent / "translations"
SOURCE_LANGUAGE = "en"
DOMAINS = ("messages", "datakinds")  # of each language a catalogue; each is looked up in this order


def mark(text: str) -> str:
    """Return `text` unchanged; marks it for extraction into the catalogues."""
    return text


class Message(str):
    """A sentence that is its English text, and can be said in another language where it is shown.

    `template` is the text in the catalogues; `values` fill it, and may be messages themselves.
    """

    __slots__ = ("template", "values")
    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, **values: Any) -> Self:
        """Return the sentence; the template's literal is extracted into the catalogues."""
        made = super().__new__(cls, template % values if values else template)
        made.template, made.values = template, values
        return made

    def said(self, gettext: Callable[[str], str]) -> str:
        """Return the sentence in the language of `gettext`."""
        values = {
            name: value.said(gettext) if isinstance(value, Message) else value
            for name, value in self.values.items()
        }
        return gettext(self.template) % values if values else gettext(self.template)

    @property
    def packed(self) -> list[Any]:
        """Return it as data for JSON: see `unpacked`."""
        values = {
            name: value.packed if isinstance(value, Message) else value for name, value in self.values.items()
        }
        return [self.template, values]


def packed(text: str) -> list[Any] | str:
    """Return a message as data for JSON, and any other text as it is."""
    return text.packed if isinstance(text, Message) else text


def unpacked(data: list[Any] | str) -> str:
    """Return the message, or the text, that was packed."""
    if isinstance(data, str):
        return data
    template, values = data
    return Message(
        template,
        **{name: unpacked(value) if isinstance(value, list) else value for name, value in values.items()},
    )


def said(text: str, gettext: Callable[[str], str]) -> str:
    """Return a message in the language of `gettext`, and any other text as it is."""
    return text.said(gettext) if isinstance(text, Message) else text


@dataclass(frozen=True)
class Catalogue:
    """The translations of one language."""

    language: str
    gettext: Callable[[str], str]
    ngettext: Callable[[str, str, int], str]

    @property
    def direction(self) -> str:
        """The direction in which the language is written: `ltr` or `rtl`."""
        return Locale.parse(self.language, sep="-").text_direction


@cache
def catalogue(language: str) -> Catalogue:
    """Return the translations of `language`, a BCP 47 tag; English where there is no catalogue."""
    loaded = translations(language)
    return Catalogue(language, loaded.gettext, loaded.ngettext)


@cache
def translations(language: str) -> "NullTranslations":
    """Return the catalogues that fit `language` best; none, which is English, where there are none."""
    from babel.support import NullTranslations, Translations  # noqa: PLC0415 - slow, and few commands translate

    tag = matching_language(language, shipped_languages())
    if tag is None:
        return NullTranslations()
    first, *others = (Translations.load(TRANSLATIONS, [tag.replace("-", "_")], name) for name in DOMAINS)
    for other in others:
        first.add_fallback(other)
    return first


def shipped_languages() -> tuple[str, ...]:
    """Return the tags of the languages that have catalogues, and of the texts' own."""
    folders = (file.parent.parent for file in TRANSLATIONS.glob("*/LC_MESSAGES/messages.po"))
    return tuple(sorted({SOURCE_LANGUAGE, *(folder.name.replace("_", "-") for folder in folders)}))


def best_language(wanted: str | None, offered: tuple[str, ...]) -> str:
    """Return the offered language that matches `wanted` best (`es` for `es-MX`), else the first one."""
    return (matching_language(wanted, offered) if wanted else None) or offered[0]


@lru_cache(maxsize=1024)  # visitors say what they want
def matching_language(wanted: str, offered: tuple[str, ...]) -> str | None:
    """Return the offered language that matches `wanted` best, or None.

    It is the same tag, else one of the same language and script: `zh-Hant` for `zh-TW`, `pt-BR` for `pt`,
    `no` for `nb`. Of several, it is the one of the region, else the one without a region.
    """
    wanted = wanted.strip().replace("_", "-")
    meant = _likely(wanted)
    alike = [tag for tag in offered if meant and (_likely(tag) or ())[:2] == meant[:2]]
    same = [tag for tag in offered if tag.lower() == wanted.lower()]
    of_the_region = [tag for tag in alike if _likely(tag) == meant]
    without_region = [tag for tag in alike if "-" not in tag]
    return next(iter((*same, *of_the_region, *without_region, *alike)), None)


@lru_cache(maxsize=1024)
def _likely(tag: str) -> tuple[str, str | None, str | None] | None:
    """Return language, script and region of a tag, the likely ones where it has none; None if it is invalid.

    Source: Unicode's likely subtags (UTS 35, part 1, 4.3), as Babel has them.
    """
    try:
        language, region, script, *_ = parse_locale(tag, sep="-")
    except ValueError:
        return None
    language = LOCALE_ALIASES.get(language, language).partition("_")[0]  # `no` is `nb`
    language = get_global("language_aliases").get(language, language).partition("_")[0]  # `iw` is `he`
    likely, keys = get_global("likely_subtags"), (f"{language}_{script}", f"{language}_{region}", language)
    known = next((likely[key] for key in keys if key in likely), language)
    _, known_region, known_script, *_ = parse_locale(known)
    return language, script or known_script, region or known_region
