"""Tell the language of a request, for Flask and for what answers before it."""

import functools
from collections.abc import Mapping
from typing import Any

from babel import Locale
from babel.core import UnknownLocaleError
from babel.units import format_unit
from flask_babel import get_locale
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header
from werkzeug.sansio.http import parse_cookie  # as Flask does: a cookie of any bytes is no error

from portal.core.i18n import matching_language
from portal.core.settings import Settings

COOKIE = "language"
_THOUSAND = 1000
_UNITS = ("kilobyte", "megabyte", "gigabyte")
MAX_ACCEPT_LANGUAGE = 200  # characters of an Accept-Language header; the rest is ignored


def cookie_name(name: str, *, https: bool) -> str:
    """Return the cookie's name; over TLS, with the `__Host-` prefix that binds it to this host."""
    return f"__Host-{name}" if https else name


@functools.cache
def own_name(tag: str) -> str:
    """Return a language's own name, as it stands alone: with a capital where its script has them."""
    locale = Locale.parse(tag, sep="-")
    name = locale.get_display_name() or tag
    return name[:1].upper() + name[1:]


def name_here(tag: str, *, alone: bool = False) -> str:
    """Return a language's name in the reader's language, as within a sentence, or as it stands `alone`.

    The console names languages by this; the public pages' switch has their own names, for those who read
    no other.
    """
    try:
        name = Locale.parse(tag, sep="-").get_display_name(get_locale()) or tag
    except (ValueError, UnknownLocaleError):
        return tag
    return name[:1].upper() + name[1:] if alone else name


def size_here(count: int) -> str:
    """Return a number of bytes as the reader's language writes it, like `1,2 kB`."""
    if count < _THOUSAND:
        return str(format_unit(count, "digital-byte", length="long", locale=get_locale()))
    size, larger = count / _THOUSAND, list(_UNITS)
    while size >= _THOUSAND and len(larger) > 1:
        size, larger = size / _THOUSAND, larger[1:]
    unit = f"digital-{larger[0]}"
    return str(format_unit(size, unit, length="short", format="#,##0.#", locale=get_locale()))


def chosen(environ: Mapping[str, Any], settings: Settings) -> str | None:
    """Return the language chosen in this browser, or None."""
    name = cookie_name(COOKIE, https=settings.https)
    if name not in environ.get("HTTP_COOKIE", ""):
        return None
    tag = parse_cookie(environ["HTTP_COOKIE"]).get(name)
    return tag if tag in settings.site.languages else None


def negotiated(environ: Mapping[str, Any], settings: Settings) -> str:
    """Return the language of a request: the one chosen, else the best match for Accept-Language."""
    accepted = str(environ.get("HTTP_ACCEPT_LANGUAGE", ""))[:MAX_ACCEPT_LANGUAGE]
    return chosen(environ, settings) or _best_match(accepted, settings.site.languages)


@functools.lru_cache(maxsize=1024)
def _best_match(header: str, offered: tuple[str, ...]) -> str:
    """Return the offered language that fits a header best; cached, because few headers are distinct."""
    accepted = parse_accept_header(header, LanguageAccept)
    matching = (matching_language(tag, offered) for tag, quality in accepted if quality > 0)
    return next((tag for tag in matching if tag), offered[0])
