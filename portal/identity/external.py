"""Look accounts up in a store of the company's: in the worker alone, outside any transaction."""

import logging
from collections.abc import Callable, Iterator, Sequence
from secrets import token_hex
from typing import TypeVar

from portal.core.addresses import sign_in_name
from portal.core.settings import Settings
from portal.identity import registry
from portal.identity.ports import Entry, ExternalStore, StoreFault, StoreUnavailable
from portal.identity.service import external_store, is_external
from portal.runtime.doctor import secret_files
from portal.runtime.parts import Unanswered, Unavailable

log = logging.getLogger("portal.identity")

Found = TypeVar("Found")


def entries_at(settings: Settings, address: str) -> list[Entry]:
    """Return the accounts that sign in with a normalised address, compared once more, ignoring ASCII case.

    Raises Unavailable.
    """
    found = _asked(settings, lambda store: store.find([address]))
    return [entry for entry in found if sign_in_name(entry.address) == sign_in_name(address)]


def fails_at_one(settings: Settings) -> bool:
    """Return whether the store, which answered wrongly about an address, answers rightly about another.

    Then it fails at one account, not at all of them.
    """
    try:
        external_store(settings).find([f"{token_hex(8)}@{token_hex(8)}.invalid"])
    except (StoreUnavailable, StoreFault):
        return False
    return True


def entries_with(settings: Settings, reference: str) -> list[Entry]:
    """Return the accounts with a customer number. Raises Unavailable."""
    return _asked(settings, lambda store: store.find_by_reference([reference]))


def trouble(settings: Settings) -> str | None:
    """Return why the chosen store does not answer, or None; it is asked for one account."""
    if not is_external(settings):
        return None
    try:
        external_store(settings).page(None, 1)
    except (StoreUnavailable, StoreFault) as error:
        return str(error)
    return None


def tell_trouble(settings: Settings) -> None:
    """Log what is wrong with the chosen store. The worker starts all the same: mail needs no store."""
    if (why := trouble(settings)) is not None:
        log.error(
            "identity: nobody can sign in or choose a password, because the store '%s' does not answer: %s; "
            "run: portal identity check",
            settings.identity.store,
            why,
        )


def check(settings: Settings, _keys_right: bool) -> Iterator[tuple[str, str | None]]:
    """Yield what is wrong with the chosen store or its settings, for `portal doctor`.

    A process that must not read the store's secrets does not ask it.
    """
    fault = registry.fault_of(settings)
    if fault is None and not settings.keys.not_worker:
        fault = trouble(settings)
    yield "identity store", fault
    files = dict(settings.identity.files)
    for name in _secrets(settings):
        if name in files:
            yield f"{name}_FILE", secret_files.fault_of(files[name], settings.keys)


def _secrets(settings: Settings) -> list[str]:
    try:
        return registry.secrets(settings)
    except StoreFault:  # told above
        return []


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
        raise Unanswered from fault
