"""Read the addresses of a cell that is more than one plain address."""

import re

from portal.core import addresses
from portal.core.addresses import AddressInvalid
from portal.core.i18n import Message
from portal.people_files.rows import RowRefused, reason_of

_BRACKETS = re.compile(r"<([^<>]*)>")
_SEPARATORS = re.compile(r"[;,|\n\r\t]+")
_MAILTO = re.compile(r"mailto:([^?]*)(?:\?.*)?\Z", re.IGNORECASE | re.DOTALL)
_QUOTES = "\"'“”‘’„«»"

WRAPPED = "mailto:, brackets, quotes or a name around the address taken off"
FULL_STOP = "a full stop after the address taken off"
SEVERAL = "several addresses in one cell, taken as one row each"


def addresses_in(text: str) -> tuple[list[str], list[str]]:
    """Return the normalised addresses of a cell, without duplicates, and what was mended. Raises RowRefused.

    Nothing is taken off that might be part of an address: where something is left over, the row is rejected,
    because what looks like an address may be the end of another person's.
    """
    try:
        return [addresses.normalise(text)], []
    except AddressInvalid as error:
        if "@" not in text:
            raise RowRefused(reason_of(error)) from None
    notes: list[str] = []
    parts = _parts(text.strip())
    found = dict.fromkeys(_address_in(part, notes, alone=len(parts) == 1) for part in parts)
    if parts != [text.strip()] and len(parts) == 1:
        notes.append(WRAPPED)
    if len(parts) > 1:
        notes.append(SEVERAL)
    # Sorted: whose address comes first must not depend on how a cell lists them.
    return sorted(found), list(dict.fromkeys(notes))


def _parts(text: str) -> list[str]:
    bracketed = _BRACKETS.findall(text)
    if bracketed:
        if "@" in _BRACKETS.sub("", text):
            raise RowRefused(
                Message("%(column)s: an address with brackets, and another without", column="email")
            )
        return [part.strip() for part in bracketed]
    parts = [part.strip() for part in _SEPARATORS.split(text) if part.strip()]
    # Blanks separate addresses, and nothing else: "ann lee@…" is not Lee's.
    return [
        each
        for part in parts
        for each in (part.split() if all("@" in word for word in part.split()) else [part])
    ]


def _address_in(part: str, notes: list[str], *, alone: bool) -> str:
    bare = part.strip(_QUOTES + " ") if part[:1] in _QUOTES else part
    if mailto := _MAILTO.match(bare):
        bare = mailto[1].strip()
    if bare != part:
        notes.append(WRAPPED)
    if bare.endswith(".") and not bare.endswith(".."):
        bare = bare[:-1]
        notes.append(FULL_STOP)
    plain = addresses.plain_marks(bare)
    for typed, meant in dict.fromkeys(zip(bare, plain, strict=True)):
        if typed != meant:
            notes.append(f"the typographic character U+{ord(typed):04X} read as {meant}")
    try:
        return addresses.normalise(plain)
    except AddressInvalid as error:
        if not alone:
            raise RowRefused(
                Message("%(column)s: several entries, of which one is no address", column="email")
            ) from None
        raise RowRefused(reason_of(error)) from None
