"""Select the user store and the password hasher from the settings."""

from functools import cache

from portal.core.settings import Settings
from portal.crypto.hashing import Hasher, hash_slots_for
from portal.identity.builtin.store import BuiltinStore
from portal.identity.port import Store


@cache
def store_for(settings: Settings) -> Store:
    """Return the company's user store. Raises LookupError when the setting names an unknown one."""
    if settings.identity.store != "builtin":
        message = f"PORTAL_IDENTITY_STORE: unknown store '{settings.identity.store}'; use 'builtin'"
        raise LookupError(message)
    return BuiltinStore()


@cache
def hasher_for(settings: Settings) -> Hasher:
    """Return the password hasher; all processes with the same database share its hash slots."""
    return Hasher(settings.identity.argon2, hash_slots_for(settings))
