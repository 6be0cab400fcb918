"""Validate the cells that all files of people share: one pattern, one limit and one message each."""

import re
import unicodedata
from functools import lru_cache

from portal.core.addresses import DOTS, LOOKS_ALIKE, NO_ADDRESS, TOO_LONG, AddressInvalid, normalise
from portal.core.i18n import Message
from portal.people_files.languages import UNDETERMINED, is_language, today

MAX_REF = 100
MAX_NAME = 200
UNKNOWN_LANGUAGE = UNDETERMINED  # the cell says something, and no language that we know
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}\Z")
# Joiners (Cf) are part of names in some scripts; control characters, line breaks and lone surrogates are not.
REFUSED_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
_ADDRESS_REASONS = {
    NO_ADDRESS: Message("%(column)s: the cell is empty", column="email"),
    TOO_LONG: Message("%(column)s: too long for an email address", column="email"),
    DOTS: Message(
        "%(column)s: two full stops in a row or one at the end of the name, which only some carriers have",
        column="email",
    ),
    LOOKS_ALIKE: Message("%(column)s: a character that only looks like a plain letter", column="email"),
}
_CACHED = 10_000  # distinct spellings of locales; a file has only a few


class RowRefused(Exception):
    """A row is rejected; the message names the column and the reason, never the value."""

    def __init__(self, reason: Message) -> None:
        """Store the reason, which the console says in its reader's language."""
        self.reason = reason
        super().__init__(reason)


class UnknownWords(RowRefused):
    """A row is rejected for words that nobody knows yet; `words` are those that a message may repeat."""

    def __init__(self, reason: Message, words: tuple[str, ...]) -> None:
        """Take the reason and the words."""
        self.words = words
        super().__init__(reason)


def parse_address(text: str) -> str:
    """Return the normalised address of an `email` cell. Raises RowRefused."""
    try:
        return normalise(text)
    except AddressInvalid as error:
        raise RowRefused(reason_of(error)) from None


def reason_of(error: AddressInvalid) -> Message:
    """Return why an `email` cell is rejected."""
    return _ADDRESS_REASONS.get(str(error)) or Message(
        "%(column)s: not a single email address", column="email"
    )


@lru_cache(_CACHED)
def parse_locale(text: str) -> str:
    """Return a `locale` cell as a BCP 47 language tag; an empty cell stays empty. Raises RowRefused."""
    tag = text.strip().replace("_", "-")
    if not tag:
        return ""
    language, dash, rest = tag.partition("-")
    if not _LOCALE.match(tag) or not is_language(language):
        raise RowRefused(Message("%(column)s: not a language tag like en or pt-BR", column="locale"))
    return today(language.lower()) + dash + rest


def check_text(column: str, value: str, max_characters: int) -> None:
    """Raise RowRefused if a cell is too long or contains a control character."""
    if not value.isprintable() and any(unicodedata.category(c) in REFUSED_CATEGORIES for c in value):
        raise RowRefused(Message("%(column)s: contains a control character", column=column))
    if len(value) > max_characters:
        raise RowRefused(
            Message("%(column)s: longer than %(most)s characters", column=column, most=max_characters)
        )


def check_size(needed: int, max_bytes: int) -> None:
    """Raise RowRefused if a row needs more bytes than a stored row has."""
    if needed > max_bytes:
        raise RowRefused(Message("the row is too long"))
