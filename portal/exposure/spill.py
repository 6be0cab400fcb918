"""An external merge sort of sealed rows: on disk lie blind indexes and ciphertext alone."""

import heapq
import os
from collections.abc import Iterator
from pathlib import Path

from portal.crypto.vault import INDEX_BYTES, SIZES

KEY_BYTES = 2 * INDEX_BYTES
_OVERHEAD = 28
_LENGTHS = tuple(KEY_BYTES + 1 + size + _OVERHEAD for size in SIZES)
_RUN_BYTES = 40 << 20
_READ_BYTES = 8 << 20  # of all runs together
_LEAST_READ = 16 << 10
_CODES = {size + _OVERHEAD: bytes([code]) for code, size in enumerate(SIZES)}


class SpillDamaged(Exception):
    """A spill file is not as it was written."""


def record(key: bytes, blob: bytes) -> bytes:
    """Return one row as it is sorted and spilled: its key (fold index, person key), a size code, its blob."""
    return key + _CODES[len(blob)] + blob


class Sorter:
    """Takes records in any order and gives them back in the order of their keys, in bounded memory."""

    def __init__(self, folder: Path, run_bytes: int = _RUN_BYTES) -> None:
        """Spill into `folder`, which must exist, be empty and be readable by its owner alone."""
        self._folder = folder
        self._run_bytes = run_bytes
        self._rows: list[bytes] = []
        self._size = 0
        self._runs: list[Path] = []

    def add(self, row: bytes) -> None:
        """Take one record."""
        self._rows.append(row)
        self._size += len(row)
        if self._size >= self._run_bytes:
            self._spill()

    def _spill(self) -> None:
        self._rows.sort()
        path = self._folder / f"run-{len(self._runs)}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb", buffering=1 << 20) as file:
            file.writelines(self._rows)
        self._runs.append(path)
        self._rows = []
        self._size = 0

    def sorted(self) -> Iterator[bytes]:
        """Yield every record in order, once."""
        self._rows.sort()
        if not self._runs:
            return iter(self._rows)
        size = max(_READ_BYTES // len(self._runs), _LEAST_READ)
        return heapq.merge(*(_read(path, size) for path in self._runs), self._rows)


def _read(path: Path, read_bytes: int) -> Iterator[bytes]:
    rest = b""
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(read_bytes):
            data = rest + chunk
            size = len(data)
            at = 0
            while at + KEY_BYTES < size:
                end = at + _LENGTHS[data[at + KEY_BYTES]]
                if end > size:
                    break
                yield data[at:end]
                at = end
            rest = data[at:]
    if rest:
        raise SpillDamaged(path.name)
