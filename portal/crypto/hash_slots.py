"""Slots for costly hashes: never more in flight than cores, over all processes of this machine."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import uniform
from time import monotonic, sleep

from portal.core.settings import Settings

WAIT_SECONDS = 2.0
RETRY_AFTER_SECONDS = 5
_POLL_SECONDS = (0.005, 0.02)


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
            descriptor = os.open(self.folder / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
    """Return the slots that all processes with the same queue file share."""
    return HashSlots(settings.queue_file.parent / "hash-slots")
