"""Select the user store and the password hasher from the settings."""

from functools import cache

from sqlalchemy.orm import Session

from portal.core.settings import Settings
from portal.crypto.hashing import Hasher, hash_slots_for
from portal.crypto.vault import WebVault
from portal.identity import registry
from portal.identity.account import Account
from portal.identity.builtin import passwords
from portal.identity.ports import ExternalStore


def is_external(settings: Settings) -> bool:
    """Return whether accounts and passwords are in a store of the company's, which only the worker calls."""
    return settings.identity.external


@cache
def external_store(settings: Settings) -> ExternalStore:
    """Return the company's own store, one for all threads of the worker. Raises StoreFault."""
    return registry.build(settings)


def is_unset(session: Session, vault: WebVault, account: Account) -> bool:
    """Return whether the company gave no usable password, and the owner has chosen none since."""
    password = passwords.of(session, vault, account.id)
    return password is not None and password.unset


@cache
def hasher_for(settings: Settings) -> Hasher:
    """Return the password hasher; all processes with the same database share its hash slots."""
    return Hasher(settings.identity.argon2, hash_slots_for(settings))
