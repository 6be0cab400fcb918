"""Read how files write a language: a code, or its name, as people of many countries write it."""

import re
import unicodedata
from functools import cache, lru_cache

from babel import Locale, UnknownLocaleError
from babel.core import get_global

from portal.core.i18n import shipped_languages

# The languages in which most companies write the names of languages: Unicode has the names in each.
_WRITTEN_IN = (
    "ar", "ca", "cs", "da", "de", "el", "en", "es", "fi", "fr", "hu", "it", "ja", "nb", "nl", "pl", "pt",
    "ro", "ru", "sv", "tr", "zh",
)  # fmt: skip
# Those whose own names the ones above may lack.
_CALL_THEMSELVES = (
    "az", "be", "bg", "bn", "bs", "cy", "et", "eu", "fa", "fil", "ga", "gl", "gu", "he", "hi", "hr", "hy",
    "id", "is", "ka", "kk", "km", "kn", "ko", "ky", "lb", "lo", "lt", "lv", "mk", "ml", "mn", "mr", "ms",
    "mt", "my", "ne", "pa", "ps", "sk", "sl", "so", "sq", "sr", "sr-Latn", "sw", "ta", "te", "tg", "th",
    "tk", "uk", "ur", "uz", "vi",
)  # fmt: skip
_ALSO = {"castellano": "es", "castilian": "es", "kastilisch": "es", "mandarin": "zh"}
_WITH_REGION = re.compile(r"([^()]+)\(([^()]+)\)\Z")
_REGION = re.compile(r"[A-Za-z]{2}\Z")
UNDETERMINED = "und"  # BCP 47: of a language that nobody knows
_LONGEST = 60  # no language has a longer name, and what is longer need not be remembered
_CACHED = 1024


def named(text: str) -> str:
    """Return the tag of a language by its name, as `es` for `Spanisch` or `es-MX` for `español (México)`.

    A name that means several languages, or none, is nothing.
    """
    return _named(text.strip()) if len(text) <= _LONGEST else ""


@lru_cache(_CACHED)
def _named(text: str) -> str:
    bare = _tag(text)
    parts = _WITH_REGION.match(text)
    if bare or not parts:
        return bare
    language, region = _tag(parts[1]), parts[2].strip()
    code = region.upper() if _REGION.match(region) else _regions().get(_folded(region), "")
    if language and code in _codes():
        return f"{language}-{code}"
    return _tag(f"{region} {parts[1]}")  # `Chinese (Simplified)`


def _tag(name: str) -> str:
    folded = _folded(name)
    return _tags().get(folded) or _own_names().get(folded, "")


@cache
def is_language(code: str) -> bool:
    """Return whether Unicode's data has a language, as `es` or `spa`; of names like `Kim` it has none.

    A code that means a language with its region or script is one, too: `prs` is `fa-AF`, which a site's
    `fa` serves.
    """
    try:
        Locale.parse(_meant(code.lower()).partition("_")[0])
    except (ValueError, UnknownLocaleError):
        return False
    return True


def today(code: str) -> str:
    """Return the code that a language has today: `es` for `spa`, `he` for `iw`."""
    now = _meant(code)
    return code if "_" in now else now


def _meant(code: str) -> str:
    return str(get_global("language_aliases").get(code, code))


@cache
def _tags() -> dict[str, str]:
    """Return the tags of languages by their folded names; those that mean several are left out."""
    found: dict[str, set[str]] = {}
    for written in _locales():
        for code, name in written.languages.items():
            found.setdefault(_folded(name), set()).add(code.replace("_", "-"))
    single = {name: min(codes) for name, codes in found.items() if len(codes) == 1}
    return {name: tag for name, tag in single.items() if _says_which(tag)} | _ALSO


def _says_which(tag: str) -> bool:
    """Return whether a tag is of a language: `und`, which is named `Unknown language`, is of none."""
    return tag != UNDETERMINED and is_language(tag.partition("-")[0])


@cache
def _own_names() -> dict[str, str]:
    """Return the tags of languages by their folded own names; read only for a name that `_tags` lacks."""
    tags = {Locale.parse(tag, sep="-"): tag for tag in _CALL_THEMSELVES}
    return {_folded(locale.languages[locale.language]): tag for locale, tag in tags.items()}


@cache
def _regions() -> dict[str, str]:
    """Return the codes of countries by their folded names; those that mean several are left out."""
    found: dict[str, set[str]] = {}
    for written in _locales():
        for code, name in written.territories.items():
            found.setdefault(_folded(name), set()).add(code)
    return {name: min(codes) for name, codes in found.items() if len(codes) == 1}


@cache
def _codes() -> frozenset[str]:
    return frozenset(Locale("en").territories)


def _locales() -> list[Locale]:
    return [Locale.parse(tag, sep="-") for tag in dict.fromkeys((*_WRITTEN_IN, *shipped_languages()))]


def _folded(name: str) -> str:
    """Return a name without accents, case and outer spaces: `Espanol` and `ESPAÑOL` are one."""
    plain = unicodedata.normalize("NFD", name.strip().casefold())
    return "".join(c for c in plain if not unicodedata.combining(c))
