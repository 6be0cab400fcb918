"""Select the user store and the password hasher from the settings."""

from functools import cache

from portal.core.settings import Settings
from portal.crypto.hashing import Hasher, hash_slots_for
from portal.identity import registry
from portal.identity.builtin.store import BuiltinStore
from portal.identity.port import Store
from portal.identity.ports import ExternalStore


@cache
def store_for(settings: Settings) -> Store:
    """Return the company's user store. Raises LookupError when the setting names an unknown one."""
    if settings.identity.store != "builtin":
        message = f"PORTAL_IDENTITY_STORE: unknown store '{settings.identity.store}'; use 'builtin'"
        raise LookupError(message)
    return BuiltinStore()


def is_external(settings: Settings) -> bool:
    """Return whether accounts and passwords are in a store of the company's, which only the worker calls."""
    return settings.identity.store not in ("builtin", "link")


@cache
def external_store(settings: Settings) -> ExternalStore:
    """Return the company's own store, one for all threads of the worker. Raises StoreFault."""
    return registry.build(settings)


@cache
def hasher_for(settings: Settings) -> Hasher:
    """Return the password hasher; all processes with the same database share its hash slots."""
    return Hasher(settings.identity.argon2, hash_slots_for(settings))
