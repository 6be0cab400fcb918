"""Slots for costly hashes: never more in flight than cores, over all processes of this machine."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from random import uniform
from time import monotonic, sleep

from sqlalchemy import make_url

from portal.core.db import sqlite_file
from portal.core.settings import Settings

WAIT_SECONDS = 2.0
RETRY_AFTER_SECONDS = 5
_POLL_SECONDS = (0.005, 0.02)
_OPEN = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class TooBusy(Exception):
    """Every core was hashing for as long as we waited; `retry_after` is in seconds. Nothing was stored."""

    def __init__(self, retry_after: int = RETRY_AFTER_SECONDS) -> None:
        """Keep when to come back."""
        self.retry_after = retry_after
        super().__init__("all hashing slots are taken")


class HashSlots:
    """A fixed number of slots, shared by all processes that use the same folder.

    A slot is an advisory lock on a file (flock), so the kernel frees the slots of a process that dies. The
    folder must be on a local disk.
    """

    def __init__(self, folder: Path, count: int | None = None, wait: float = WAIT_SECONDS) -> None:
        """Use `count` slots (as many as cores, unless given); wait at most `wait` seconds for one."""
        self.folder = folder
        self.count = count or len(os.sched_getaffinity(0))
        self.wait = wait

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold one slot. Raises TooBusy."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        deadline = monotonic() + self.wait
        while (slot := self._free_slot()) is None:
            if monotonic() >= deadline:
                raise TooBusy
            sleep(uniform(*_POLL_SECONDS))  # noqa: S311 - spreads the waiters, is no secret
        try:
            yield
        finally:
            os.close(slot)

    def _free_slot(self) -> int | None:
        for number in range(self.count):
            descriptor = os.open(self.folder / f"{number}.lock", _OPEN, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            else:
                return descriptor
        return None


def hash_slots_for(settings: Settings) -> HashSlots:
    """Return the slots that all processes of one user with the same database share."""
    return HashSlots(folder_for(settings.database_url))


def folder_for(database_url: str) -> Path:
    """Return where the slots are: beside an SQLite file, else in this user's part of the temporary folder."""
    url = make_url(database_url)
    if (file := sqlite_file(url)) is not None:
        return file.parent / "hash-slots"
    # Of the password nothing may show in a name that everybody on this machine can read.
    name = blake2b(str(url.set(password=None)).encode(), digest_size=6).hexdigest()
    return Path(tempfile.gettempdir()) / f"portal-hash-slots-{os.geteuid()}-{name}"
