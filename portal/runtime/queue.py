"""The queue that wakes the worker: Huey with JSON messages that hold a name from a closed list, and nothing else."""

import glob
import json
import logging
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar
from uuid import uuid4

from huey.api import Huey
from huey.registry import Message
from huey.serializer import Serializer
from huey.storage import SqliteStorage

from portal.core.db import make_file

log = logging.getLogger("portal.queue")

TASKS = ("answer", "deliver", "tend")
COALESCE_SECONDS = 0.25
DAMAGED = "is damaged; it is made anew as soon as it is used"
_T = TypeVar("_T")


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


class Storage(SqliteStorage):  # type: ignore[misc]  # huey has no types
    """The queue's file: opened when it is needed, made anew where it is damaged, and done without where it fails.

    Rows in the database are the truth, and the worker looks for due ones every second: nothing is lost with a queue.
    """

    def __init__(self, name: str, filename: str, **options: Any) -> None:
        """Take where the file is; it is not touched yet."""
        super().__init__(name, filename, fsync=False, create_tables=False, **options)
        self._conn: sqlite3.Connection | None = None
        self._file = Path(filename)
        self._opened: int | None = (
            None  # the inode: the file may be moved away, or removed by who restores a backup
        )
        self._guard = RLock()
        self._told: str | None = None

    def enqueue(self, data: bytes, priority: int | None = None) -> None:
        """Write a wake-up."""
        self._attempt(lambda: super(Storage, self).enqueue(data, priority))

    def dequeue(self) -> bytes | None:
        """Return a wake-up and remove it, or None."""
        return self._attempt(super().dequeue)

    def read_schedule(self, ts: datetime) -> list[bytes]:  # noqa: ARG002 - Huey gives it
        """Return nothing: the portal's schedule is in its database."""
        return []

    def open_file(self) -> None:
        """Open the file and see that it can be written. Raises sqlite3.Error or OSError."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        if self._opened is not None and self._opened == _inode(self._file):
            return
        self._let_go()
        make_file(self._file)
        self._opened = _inode(self._file)
        with self.db(commit=True) as cursor:
            for statement in self.ddl:
                cursor.execute(statement)

    def _attempt(self, step: Callable[[], _T]) -> _T | None:
        with self._guard:
            try:
                self.open_file()
                done = step()
            except (sqlite3.Error, OSError) as error:
                self._give_up(error)
                return None
            self._told = None
            return done

    def _give_up(self, error: sqlite3.Error | OSError) -> None:
        opened = self._opened
        self._let_go()
        if is_damaged(error) and opened == _inode(self._file):  # else somebody else has just made it anew
            try:
                put_aside(self._file)
            except OSError as refused:
                error = refused
            else:
                log.warning("the queue was damaged and is made anew; the old one lies beside it")
                return
        told = getattr(error, "sqlite_errorname", type(error).__name__)
        if told != self._told:  # once, not every second
            log.warning("the queue cannot be used (%s); the worker will look for itself", told)
            self._told = told

    def _let_go(self) -> None:
        self._opened = None
        connection, self._conn = self._conn, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


class Queue:
    """The queue's file, and what each name does when this process is the worker. Never fails: see `Storage`."""

    def __init__(self, file: Path, actions: dict[str, Callable[[], None]] | None = None) -> None:
        """Take the file, which is opened when it is needed; `actions` are given by the worker alone."""
        self.huey = Huey(
            "portal",
            filename=str(file),
            storage_class=Storage,
            results=False,
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
        self._tasks[name]()


def fault_of(file: Path) -> str | None:
    """Return what is wrong with the queue's file, or None where it can be written."""
    storage = Storage("portal", str(file))
    try:
        storage.open_file()
        problem = str(storage.sql("PRAGMA quick_check(1)", results=True)[0][0])
    except (sqlite3.Error, OSError) as error:
        if is_damaged(error):
            return DAMAGED
        return f"cannot be written ({getattr(error, 'sqlite_errorname', type(error).__name__)})"
    finally:
        storage.close()
    return None if problem == "ok" else DAMAGED


def is_damaged(error: sqlite3.Error | OSError) -> bool:
    """Tell whether SQLite found that a file is not what it wrote."""
    code = int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def put_aside(file: Path) -> None:
    """Move a damaged file away, so that a new one can be made; an older one is removed. Raises OSError."""
    for older in file.parent.glob(f"{glob.escape(file.name)}.broken-*"):
        older.unlink(missing_ok=True)
    file.rename(file.with_name(f"{file.name}.broken-{int(time.time())}"))
    for end in ("-wal", "-shm"):
        file.with_name(f"{file.name}{end}").unlink(missing_ok=True)


def _inode(file: Path) -> int | None:
    try:
        return file.stat().st_ino
    except OSError:
        return None


def _nothing() -> None:
    """Do nothing: in the web process names are written, not run."""


def _named(action: Callable[[], None], name: str) -> Callable[[], None]:
    def run() -> None:
        action()

    run.__name__ = run.__qualname__ = name
    run.__module__ = "portal"
    return run
