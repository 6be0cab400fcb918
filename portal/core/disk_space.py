"""Say how much room a disk has."""

import os
from pathlib import Path

_UNITS = ("bytes", "KB", "MB", "GB", "TB")
_STEP = 1000
# Left on the disk beside what is received: the portal goes on, and deleting writes, too.
RESERVE_BYTES = 64 << 20


def free_bytes(folder: Path) -> int:
    """Return how many bytes this user can still write below `folder`. Raises OSError."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def has_room(file: Path | None, size: int) -> bool:
    """Return whether the disk of a database's file has room for so many bytes more; True without a file."""
    return file is None or free_bytes(file.absolute().parent) >= size + RESERVE_BYTES


def readable(size: int) -> str:
    """Return a size in words for people, like `6.3 GB`."""
    amount, unit = float(size), 0
    while amount >= _STEP and unit < len(_UNITS) - 1:
        amount, unit = amount / _STEP, unit + 1
    return f"{amount:.1f} {_UNITS[unit]}" if unit else f"{size} bytes"
