"""The company's user store."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from portal.core.environment import Environment
from portal.core.settings.http import HttpIdentity
from portal.core.settings.keys import KeyFiles, SendsMail
from portal.core.settings.link import Link
from portal.core.settings.sql import SqlIdentity

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

# Every store is an entry point of this group, those of this repository too.
GROUP = "portal.identity_stores"
_PREFIX = "IDENTITY_"
SECRETS = ("IDENTITY_SQL_URL", "IDENTITY_HTTP_SECRET")
# Stores whose settings are groups here. Another package's store has all variables below its own prefix.
OWN_GROUPS = ("builtin", "sql", "http", "link")


@dataclass(frozen=True)
class Argon2Parameters:
    """The cost of one Argon2id hash (RFC 9106): memory in KiB, passes, lanes."""

    memory: int = 47_104
    time: int = 1
    lanes: int = 1


@dataclass(frozen=True)
class Identity:
    """The company's user store, and the cost of new password hashes.

    `own` are the variables of a store that another package brings, as they were given; `own_names` their full
    names. The web server gets the names alone. `files` are where variables of this group are read from, by
    their full names. `exposed` are secrets of the worker's that it could read.
    """

    store: str = "builtin"
    argon2: Argon2Parameters = Argon2Parameters()
    http: HttpIdentity = field(default_factory=HttpIdentity)
    link: Link = field(default_factory=Link)
    sql: SqlIdentity = field(default_factory=SqlIdentity)
    own_names: tuple[str, ...] = ()
    own: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    files: tuple[tuple[str, Path], ...] = ()
    exposed: tuple[str, ...] = ()

    @classmethod
    def read(cls, environment: Environment, sends_mail: SendsMail, keys: KeyFiles) -> "Identity":
        """Read this group; faults are collected."""
        store = environment.one_of("IDENTITY_STORE", cls.store, _registered_names)
        own = {} if store in OWN_GROUPS else environment.below(own_prefix(store))
        secret = sends_mail is SendsMail.NO or (sends_mail is SendsMail.IF_KEYS_SAY and keys.not_worker)
        return cls(
            store=store,
            argon2=Argon2Parameters(*environment.argon2("ARGON2", (47_104, 1, 1))),
            http=HttpIdentity.read(environment, chosen=store == "http", reads_secrets=not secret),
            link=Link.read(environment, chosen=store == "link"),
            sql=SqlIdentity.read(environment, chosen=store == "sql", reads_secrets=not secret),
            own_names=tuple(sorted(own)),
            own=() if secret else tuple(sorted(own.items())),
            files=tuple(sorted(environment.files_below(_PREFIX).items())),
            exposed=tuple(name for name in SECRETS if secret and environment.readable(name)),
        )

    @property
    def external(self) -> bool:
        """Whether the accounts are in a store of the company's, which only the worker calls."""
        return self.store not in ("builtin", "link")

    @property
    def elsewhere(self) -> Link | None:
        """The company's own pages, where the portal has no access to the accounts; None where it has."""
        return self.link if self.store == "link" else None


def registered(name: str | None = None) -> "list[EntryPoint]":
    """Return the installed stores, or those of one name; nothing is imported."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow to import, and rarely needed

    return [store for store in entry_points(group=GROUP) if name in (None, store.name)]


def own_prefix(store: str) -> str:
    """Return what the names of a store's own variables begin with, after PORTAL_."""
    return f"IDENTITY_{store.upper().replace('-', '_')}_"


def _registered_names() -> list[str]:
    return sorted({store.name for store in registered()})
