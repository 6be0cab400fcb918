"""Rules for the cells of a row that every file of people has: one pattern, one limit, one message each."""

import re
import unicodedata
from functools import lru_cache

from portal.core.addresses import AddressInvalid, normalise

MAX_REF = 100
MAX_NAME = 200
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}\Z")
# Joiners (Cf) are part of names in some scripts; controls, line breaks and lone surrogates are not.
_REFUSED_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
_ADDRESS_REASONS = {
    "Enter an e-mail address.": "email: there is no address",
    "This is too long for an e-mail address.": "email: too long for an address",
}
_CACHED = 10_000  # distinct spellings of locales; a file has a few


class RowRefused(Exception):
    """A row cannot be imported; the message names the column and the reason, never the value."""


def parse_address(text: str) -> str:
    """Return the normalised address of an `email` cell. Raises RowRefused."""
    try:
        return normalise(text)
    except AddressInvalid as error:
        raise RowRefused(_ADDRESS_REASONS.get(str(error), "email: this is not one e-mail address")) from None


@lru_cache(_CACHED)
def parse_locale(text: str) -> str:
    """Return a `locale` cell as a language tag with hyphens; an empty cell stays empty. Raises RowRefused."""
    tag = text.strip().replace("_", "-")
    if tag and not _LOCALE.match(tag):
        raise RowRefused("locale: this is not a language tag like en or pt-BR")
    return tag


def check_text(column: str, value: str, max_characters: int) -> None:
    """Raise RowRefused where a text is too long or holds a control character."""
    if not value.isprintable() and any(unicodedata.category(c) in _REFUSED_CATEGORIES for c in value):
        raise RowRefused(f"{column}: there is a control character")
    if len(value) > max_characters:
        raise RowRefused(f"{column}: longer than {max_characters} characters")


def check_size(packed: bytes, max_bytes: int) -> None:
    """Raise RowRefused where the packed form of a row does not fit what is stored of each."""
    if len(packed) > max_bytes:
        raise RowRefused("the row is too long")
