"""Sort more rows than fit in memory by blind index, on disk; rows arrive encrypted and stay encrypted.

The temporary files have no name: no other process can open them, and they are gone with this one, even on a
crash.
"""

import errno
import heapq
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from portal.core.db import Database, sqlite_file

RUN_BYTES = 40 << 20
_LENGTH_BYTES = 2
RUNS_PER_SIZE = 150  # a process may have 1,024 files open
_BLOCK_BYTES = 16 << 10  # the memory of each run while merging


def sort_folder(db: Database) -> Path:
    """Return the folder to sort in: that of the SQLite file, otherwise the system's temporary folder."""
    file = sqlite_file(db.engine.url)
    return Path(tempfile.gettempdir()) if file is None else file.absolute().parent


class Sorter:
    """External merge sort of pairs (key, sealed) by key; call `close` at the end.

    Every key has `key_bytes` bytes; `sealed` is ciphertext of at most 65,535 bytes. Memory holds the rows of
    one run (`run_bytes`, twice as much after each 150 runs) and, while merging, one block of about 16 KiB per
    run. Raises OSError if the disk fails or is full.
    """

    def __init__(self, folder: Path, key_bytes: int, run_bytes: int = RUN_BYTES) -> None:
        """Sort in `folder`; its disk is used only if the rows exceed one run, and one file for each run."""
        self._folder = folder
        self._key_bytes = key_bytes
        self._run_bytes = run_bytes
        self._rows: list[bytes] = []
        self._size = 0
        self._runs: list[_Run] = []

    def add(self, key: bytes, sealed: bytes) -> None:
        """Add one row."""
        row = key + len(sealed).to_bytes(_LENGTH_BYTES) + sealed
        self._rows.append(row)
        self._size += len(row)
        if self._size >= self._run_bytes:
            self._rows.sort()
            self._runs.append(_Run(self._folder, self._key_bytes))
            self._runs[-1].write(self._rows)
            self._rows = []
            self._size = 0
            if not len(self._runs) % RUNS_PER_SIZE:
                self._run_bytes *= 2

    def sorted(self, *, consume: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Yield every (key, sealed), sorted by key. Rows may no longer be added.

        May be called again, unless `consume`: then disk space is freed while rows are read, so that what they
        become can take its place.
        """
        self._rows.sort()
        rows: Iterator[bytes] = iter(self._rows)
        if self._runs:
            rows = heapq.merge(*(run.rows(consume=consume) for run in self._runs), self._rows)
        key_bytes, sealed_at = self._key_bytes, self._key_bytes + _LENGTH_BYTES
        for row in rows:
            yield row[:key_bytes], row[sealed_at:]

    def close(self) -> None:
        """Free the memory and the disk space."""
        self._rows = []
        for run in self._runs:
            run.file.close()


class _Run:
    """Sorted rows on disk, in blocks of which the last comes first: a file can be cut at its end only."""

    def __init__(self, folder: Path, key_bytes: int) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile(buffering=0, dir=folder)  # noqa: SIM115
        self._head = key_bytes + _LENGTH_BYTES
        self._ends: list[int] = [0]  # where each block ends, in the order of the file

    def write(self, rows: list[bytes]) -> None:
        end = len(rows)
        with open(self.file.fileno(), "wb", buffering=1 << 20, closefd=False) as buffered:
            while end:
                start, size = end, 0
                while start and size < _BLOCK_BYTES:
                    start -= 1
                    size += len(rows[start])
                buffered.writelines(rows[start:end])
                self._ends.append(self._ends[-1] + size)
                end = start

    def rows(self, *, consume: bool) -> Iterator[bytes]:
        descriptor, head = self.file.fileno(), self._head
        for block in range(len(self._ends) - 1, 0, -1):
            start, size = self._ends[block - 1], self._ends[block] - self._ends[block - 1]
            data = os.pread(descriptor, size, start)
            if consume:
                os.ftruncate(descriptor, start)
            at = 0
            while at + head <= len(data):
                row_end = at + head + int.from_bytes(data[at + head - _LENGTH_BYTES : at + head])
                if row_end > size:
                    break
                yield data[at:row_end]
                at = row_end
            if at != size:  # a damaged length: people would be missing without a word
                raise OSError(errno.EIO, os.strerror(errno.EIO))
