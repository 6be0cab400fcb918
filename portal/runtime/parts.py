"""The parts that an entry point hands down: what the web process works with, and what the worker works with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy.orm import Session

from portal.core.clock import Clock
from portal.core.db import Database
from portal.core.settings import Settings
from portal.crypto.hashing import HashSlots
from portal.crypto.keys import WebKeys
from portal.crypto.vault import WebVault, WorkerVault
from portal.runtime.page_cache import PageCache


@dataclass(frozen=True)
class AccountLine:
    """One line of the account page: a thing, its state, and the one place where it is changed."""

    title: str
    state: str
    href: str
    link: str
    due: bool = False


# Arguments: session, account id, now.
AccountLineProvider = Callable[[Session, bytes, datetime], AccountLine]
# Arguments: session, now. False means that this part of the portal is degraded.
ReadinessCheck = Callable[[Session, datetime], bool]


@dataclass(frozen=True)
class WebParts:
    """What the web process works with, and what features hand to those below them.

    `page_cache` holds rendered public pages.
    `account_lines` are shown on the account page, in this order. `readiness` is asked by `/readyz`, each check
    under the name of its line. `language_chosen` is called with the language that a visitor chose.
    `unlisted_paths` are kept from search engines.
    """

    settings: Settings
    db: Database
    clock: Clock
    keys: WebKeys
    vault: WebVault
    hash_slots: HashSlots
    page_cache: PageCache
    account_lines: tuple[AccountLineProvider, ...] = ()
    readiness: Mapping[str, ReadinessCheck] = field(default_factory=dict)
    language_chosen: Callable[[str], None] | None = None
    unlisted_paths: tuple[str, ...] = ()


class Outcome(Enum):
    """What a handler did with a sealed request: answered (or dropped) it, or held it until it can be answered."""

    ANSWERED = "answered"
    HELD = "held"


@dataclass(frozen=True)
class WorkerParts:
    """What the worker works with. `stopping` tells a long batch that it should end."""

    settings: Settings
    db: Database
    clock: Clock
    vault: WorkerVault
    handlers: dict[str, Callable[..., Outcome]] = field(default_factory=dict)
    composers: dict[str, Any] = field(default_factory=dict)
    stopping: Callable[[], bool] = bool  # bool() is False: nobody asked it to stop
