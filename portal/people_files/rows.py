"""Validate the cells that all files of people share: one pattern, one limit and one message each."""

import re
import unicodedata
from functools import lru_cache

from portal.core.addresses import DOTS, LOOKS_ALIKE, NO_ADDRESS, TOO_LONG, AddressInvalid, normalise

MAX_REF = 100
MAX_NAME = 200
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}\Z")
# Joiners (Cf) are part of names in some scripts; control characters, line breaks and lone surrogates are not.
REFUSED_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
_ADDRESS_REASONS = {
    NO_ADDRESS: "email: the cell is empty",
    TOO_LONG: "email: too long for an email address",
    DOTS: "email: two full stops in a row or one at the end of the name, which only some carriers have",
    LOOKS_ALIKE: "email: a character that only looks like a plain letter",
}
_CACHED = 10_000  # distinct spellings of locales; a file has only a few


class RowRefused(Exception):
    """A row is rejected; the message names the column and the reason, never the value."""


def parse_address(text: str) -> str:
    """Return the normalised address of an `email` cell. Raises RowRefused."""
    try:
        return normalise(text)
    except AddressInvalid as error:
        raise RowRefused(reason_of(error)) from None


def reason_of(error: AddressInvalid) -> str:
    """Return why an `email` cell is rejected."""
    return _ADDRESS_REASONS.get(str(error), "email: not a single email address")


@lru_cache(_CACHED)
def parse_locale(text: str) -> str:
    """Return a `locale` cell as a BCP 47 language tag; an empty cell stays empty. Raises RowRefused."""
    tag = text.strip().replace("_", "-")
    if tag and not _LOCALE.match(tag):
        raise RowRefused("locale: not a language tag like en or pt-BR")
    return tag


def check_text(column: str, value: str, max_characters: int) -> None:
    """Raise RowRefused if a cell is too long or contains a control character."""
    if not value.isprintable() and any(unicodedata.category(c) in REFUSED_CATEGORIES for c in value):
        raise RowRefused(f"{column}: contains a control character")
    if len(value) > max_characters:
        raise RowRefused(f"{column}: longer than {max_characters} characters")


def check_size(needed: int, max_bytes: int) -> None:
    """Raise RowRefused if a row needs more bytes than a stored row has."""
    if needed > max_bytes:
        raise RowRefused("the row is too long")
