"""The link in a notice: it leads its reader to their own answer, without a second mail.

It points at an address of the lists, encrypted, so that nothing is stored for it. The answer is prepared when
somebody presses the button behind the link.
"""

import re
from datetime import date, datetime, timedelta

from portal.crypto.vault import VaultError, WorkerVault
from portal.exposure.people import ADDRESS_BYTES, Indexer

PATH = "/check/notice/{token}/"
LIFETIME = timedelta(days=90)
_PURPOSE = "notice link"
_DAY_BYTES = 3
_FORM = re.compile(r"[a-z2-7]{69}")


class PointerInvalid(Exception):
    """The pointer was not made with the worker's keys, or is older than 90 days."""


def pointer(vault: WorkerVault, address: str, made_at: datetime) -> str:
    """Return the pointer to an address, 69 base32 characters: the same all day long."""
    day = made_at.date().toordinal().to_bytes(_DAY_BYTES)
    return vault.pointer(_PURPOSE, address_index(vault, address) + day)


def looks_like_pointer(text: str) -> bool:
    """Return whether a text has the form of a pointer."""
    return _FORM.fullmatch(text) is not None


def follow(vault: WorkerVault, text: str, now: datetime) -> bytes:
    """Return the index of the address that a pointer leads to. Raises PointerInvalid."""
    try:
        place = vault.place(_PURPOSE, text)
    except VaultError as error:
        raise PointerInvalid from error
    if now.date() - date.fromordinal(int.from_bytes(place[ADDRESS_BYTES:])) > LIFETIME:
        raise PointerInvalid
    return place[:ADDRESS_BYTES]


def address_index(vault: WorkerVault, address: str) -> bytes:
    """Return how the rows of an address's people begin: the index of its fold, and half of their keys."""
    indexer = Indexer(vault)
    return (indexer.fold(address) + indexer.person(address, ""))[:ADDRESS_BYTES]
