"""Which user store and which hasher the settings ask for."""

from functools import cache

from portal.core.settings import Settings
from portal.crypto.hashing import Hasher, hash_slots_for
from portal.identity.builtin import BuiltinStore
from portal.identity.port import Store


@cache
def store_for(settings: Settings) -> Store:
    """Return the company's user store."""
    if settings.identity.store != "builtin":
        message = f"there is no identity store named {settings.identity.store}"
        raise LookupError(message)
    return BuiltinStore()


@cache
def hasher_for(settings: Settings) -> Hasher:
    """Return the hasher; all processes with the same database share its slots."""
    return Hasher(settings.identity.argon2, hash_slots_for(settings))
