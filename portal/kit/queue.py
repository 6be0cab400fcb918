"""The queue that wakes the worker: Huey with JSON messages that hold a name from a closed list, and nothing else."""

import json
import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from huey import SqliteHuey
from huey.registry import Message
from huey.serializer import Serializer

log = logging.getLogger("portal.queue")

TASKS = ("answer", "deliver", "tend")
COALESCE_SECONDS = 0.25


class MessageRefused(ValueError):
    """A queue row is not one that the portal wrote: it is dropped, and nothing of it is run."""


class NameSerializer(Serializer):  # type: ignore[misc]  # huey has no types
    """Writes a task as `{"task": name}`; reads that and nothing else."""

    def __init__(self, registry_name: Callable[[str], str]) -> None:
        """Take the function that turns a task's name into the one Huey knows it by."""
        super().__init__()
        self._names = {name: registry_name(name) for name in TASKS}
        self._tasks = {full: name for name, full in self._names.items()}

    def _serialize(self, data: Message) -> bytes:
        return json.dumps({"task": self._tasks[data.name]}).encode()

    def _deserialize(self, data: bytes) -> Message:
        try:
            name = self._names[json.loads(bytes(data))["task"]]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            message = "a queue row is not a wake-up of ours; it was dropped"
            raise MessageRefused(message) from error
        return Message(str(uuid4()), name, None, 0, 0, (), {}, None, None, None)


class Queue:
    """The queue's file, and what each name does when this process is the worker."""

    def __init__(self, file: Path, actions: dict[str, Callable[[], None]] | None = None) -> None:
        """Open the queue; `actions` are given by the worker alone."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self.huey = SqliteHuey(
            "portal",
            filename=str(file),
            results=False,
            fsync=False,
            serializer=NameSerializer("portal.{}".format),
        )
        self._tasks = {}
        for name in TASKS:
            action = (actions or {}).get(name, _nothing)
            self._tasks[name] = self.huey.task(name=name, task_base=None)(_named(action, name))
        self._woken: dict[str, float] = {}

    def wake(self, name: str) -> None:
        """Tell the worker that a row is due. Best effort: workers look for due rows every second anyway."""
        now = time.monotonic()
        if now - self._woken.get(name, -1.0) < COALESCE_SECONDS:
            return
        self._woken[name] = now
        try:
            self._tasks[name]()
        except sqlite3.Error as error:  # the row is stored: what was promised is kept, a second later
            log.warning("the queue cannot be written (%s); the worker will look for itself", type(error).__name__)


def _nothing() -> None:
    """Do nothing: in the web process names are written, not run."""


def _named(action: Callable[[], None], name: str) -> Callable[[], None]:
    def run() -> None:
        action()

    run.__name__ = run.__qualname__ = name
    run.__module__ = "portal"
    return run
