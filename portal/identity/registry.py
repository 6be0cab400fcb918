"""Find the identity stores that are installed: the entry points of the group `portal.identity_stores`.

A store's module is imported only here, when something needs the chosen store.
"""

import os
from collections.abc import Sequence
from functools import cache
from typing import Protocol

from portal.core.environment import PREFIX, Environment
from portal.core.settings import Settings
from portal.core.settings.identity import OWN_GROUPS, own_prefix, registered
from portal.identity.ports import Capabilities, ExternalStore, StoreFault


class StoreClass(Protocol):
    """The class that an entry point names.

    `settings` are the names of its own variables, without PORTAL_IDENTITY_<STORE>_; a store of this
    repository has none here, but a group in `portal/core/settings/`. `secrets` are those that the web server
    must not read: a password, a token, a URL with a password. `declared` says what the store can do
    without connecting, reading a secret or needing one: the web process calls it. `from_settings` is called
    in the worker and in commands, and does not connect either. It raises StoreFault for a wrong setting.
    """

    name: str
    settings: tuple[str, ...]
    secrets: tuple[str, ...]

    def declared(self, settings: Settings) -> Capabilities:
        """Return what the store can do."""
        ...

    def from_settings(self, settings: Settings) -> ExternalStore:
        """Return the store."""
        ...


@cache
def load(name: str) -> StoreClass:
    """Return the class of a registered store. Raises StoreFault where it is missing or cannot be imported."""
    found = registered(name)
    if len(found) != 1:
        packages = ", ".join(sorted(each.dist.name if each.dist else "?" for each in found))
        why = (
            f"is registered by {packages}; uninstall all but one"
            if found
            else "is not installed; install the package that brings it (again)"
        )
        raise StoreFault(f"PORTAL_IDENTITY_STORE: the store '{name}' {why}")
    try:
        store: StoreClass = found[0].load()
    except (ImportError, AttributeError) as error:
        message = f"PORTAL_IDENTITY_STORE: the store '{name}' ({found[0].value}) cannot be imported: {error}"
        raise StoreFault(message) from error
    return store


def capabilities(settings: Settings) -> Capabilities:
    """Return what the chosen store can do. Raises StoreFault, also where it can do too little to be one."""
    store = load(settings.identity.store)
    _check_names(store, settings)
    declared = store.declared(settings)
    if settings.identity.elsewhere is None and not (declared.verify and declared.set_password):
        raise StoreFault(
            f"PORTAL_IDENTITY_STORE: the store '{store.name}' cannot both verify and set passwords, as pages "
            "need; choose 'link', which names your own pages"
        )
    return declared


def build(settings: Settings) -> ExternalStore:
    """Return the chosen store, which is not the builtin one. Raises StoreFault for a wrong setting."""
    store = load(settings.identity.store)
    _check_names(store, settings)
    return store.from_settings(settings)


def fault_of(settings: Settings) -> str | None:
    """Return what is wrong with the chosen store's settings, or None; nothing connects.

    A process that must not read the store's secrets has only the rest checked.
    """
    try:
        capabilities(settings)
        if settings.identity.store != "builtin" and not settings.keys.not_worker:
            build(settings)
    except StoreFault as fault:
        return str(fault)
    return None


def own_settings(settings: Settings, names: Sequence[str]) -> dict[str, str]:
    """Return the variables that another package's store declares, each also given as `…_FILE`.

    Those that are not given are missing. Raises StoreFault, which names the variable, never its value.
    """
    prefix = own_prefix(settings.identity.store)
    environment = Environment(dict(settings.identity.own) | {f"{PREFIX}ENVIRONMENT": settings.environment})
    read = {name: environment.text(prefix + name, "") for name in names}
    environment.refuse_unknown()
    if environment.faults:
        raise StoreFault("; ".join(environment.faults))
    return {name: value for name, value in read.items() if value}


def secrets(settings: Settings) -> list[str]:
    """Return the full names of the variables that hold secrets of the chosen store. Raises StoreFault."""
    prefix = PREFIX + own_prefix(settings.identity.store)
    declared = getattr(load(settings.identity.store), "secrets", ())  # a package may be older than these
    return [prefix + name for name in declared]


def exposed(settings: Settings) -> list[str]:
    """Return the secrets of the chosen store that this process was given or may read. Raises StoreFault."""
    given, files = settings.identity.own_names, dict(settings.identity.files)
    return [
        name
        for name in secrets(settings)
        if name in given or (name in files and os.access(files[name], os.R_OK))
    ]


def _check_names(store: StoreClass, settings: Settings) -> None:
    if settings.identity.store not in OWN_GROUPS:
        given = settings.identity.own_names
        prefix = PREFIX + own_prefix(settings.identity.store)
        known = {prefix + name + end for name in store.settings for end in ("", "_FILE")}
        if unknown := sorted(set(given) - known):
            names = ", ".join(prefix + name for name in store.settings) or "none"
            message = f"{unknown[0]}: unknown setting; the store '{settings.identity.store}' has {names}"
            raise StoreFault(message)
