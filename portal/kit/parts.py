"""The parts that an entry point hands down: what the web process works with, and what the worker works with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from portal.kit.clock import Clock
from portal.kit.db import Database
from portal.kit.keys import WebKeys
from portal.kit.settings import Settings
from portal.kit.slots import HashSlots
from portal.kit.vault import WebVault, WorkerVault


@dataclass(frozen=True)
class WebParts:
    """What the web process works with; `wake` tells the worker, best effort, that a row is due."""

    settings: Settings
    db: Database
    clock: Clock
    keys: WebKeys
    vault: WebVault
    slots: HashSlots
    wake: Callable[[str], None]


@dataclass(frozen=True)
class WorkerParts:
    """What the worker works with. `stopping` tells a long batch that it should end."""

    settings: Settings
    db: Database
    clock: Clock
    vault: WorkerVault
    handlers: dict[str, Callable[..., bool | None]] = field(default_factory=dict)
    composers: dict[str, Any] = field(default_factory=dict)
    stopping: Callable[[], bool] = lambda: False
