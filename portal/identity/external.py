"""Look accounts up in a store of the company's: in the worker alone, outside any transaction."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from portal.core.addresses import sign_in_name
from portal.core.settings import Settings
from portal.identity.ports import Entry, ExternalStore, StoreFault, StoreUnavailable
from portal.identity.service import external_store
from portal.runtime.parts import Unavailable

log = logging.getLogger("portal.identity")

Found = TypeVar("Found")


def entries_at(settings: Settings, address: str) -> list[Entry]:
    """Return the accounts that sign in with a normalised address, compared once more, ignoring ASCII case.

    Raises Unavailable.
    """
    found = _asked(settings, lambda store: store.find([address]))
    return [entry for entry in found if sign_in_name(entry.address) == sign_in_name(address)]


def entries_with(settings: Settings, reference: str) -> list[Entry]:
    """Return the accounts with a customer number. Raises Unavailable."""
    return _asked(settings, lambda store: store.find_by_reference([reference]))


def _asked(settings: Settings, question: Callable[[ExternalStore], Sequence[Entry]]) -> list[Entry]:
    name = settings.identity.store
    try:
        return list(question(external_store(settings)))
    except StoreUnavailable as error:
        log.warning("identity: the store '%s' cannot be reached; what needs it is tried again later", name)
        raise Unavailable from error
    except StoreFault as fault:
        log.error(
            "identity: the store '%s' does not answer as it must: %s; run: portal identity check", name, fault
        )
        raise Unavailable from fault
