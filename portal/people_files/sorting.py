"""Sort more rows than fit in memory by blind index, on disk; rows arrive encrypted and stay encrypted.

The temporary file has no name: no other process can open it, and it is gone with this one, even on a crash.
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
_READ_BYTES = 8 << 20  # upper limit, shared by all runs
_MIN_READ_BYTES = 4 << 10  # lower limit per run


def sort_folder(db: Database) -> Path:
    """Return the folder to sort in: that of the SQLite file, otherwise the system's temporary folder."""
    file = sqlite_file(db.engine.url)
    return Path(tempfile.gettempdir()) if file is None else file.absolute().parent


class Sorter:
    """External merge sort of pairs (key, sealed) by key; call `close` at the end.

    Every key has `key_bytes` bytes; `sealed` is ciphertext of at most 65,535 bytes. Memory holds the rows of
    one run (`run_bytes`) and, while merging, one block of at least 4 KiB per run. Raises OSError if the disk
    fails or is full.
    """

    def __init__(self, folder: Path, key_bytes: int, run_bytes: int = RUN_BYTES) -> None:
        """Sort in `folder`; its disk is used only if the rows exceed one run."""
        self._key_bytes = key_bytes
        self._run_bytes = run_bytes
        self._rows: list[bytes] = []
        self._size = 0
        self._file: IO[bytes] = tempfile.TemporaryFile(buffering=1 << 20, dir=folder)  # noqa: SIM115
        self._runs: list[tuple[int, int]] = []

    def add(self, key: bytes, sealed: bytes) -> None:
        """Add one row."""
        row = key + len(sealed).to_bytes(_LENGTH_BYTES) + sealed
        self._rows.append(row)
        self._size += len(row)
        if self._size >= self._run_bytes:
            self._write_run()

    def _write_run(self) -> None:
        self._rows.sort()
        self._file.writelines(self._rows)
        self._file.flush()
        start = self._runs[-1][1] if self._runs else 0
        self._runs.append((start, start + self._size))
        self._rows = []
        self._size = 0

    def sorted(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every (key, sealed), sorted by key. May be called again; rows may no longer be added."""
        self._rows.sort()
        rows: Iterator[bytes] = iter(self._rows)
        if self._runs:
            read_bytes = max(min(_READ_BYTES, self._run_bytes) // len(self._runs), _MIN_READ_BYTES)
            runs = (self._read_run(start, end, read_bytes) for start, end in self._runs)
            rows = heapq.merge(*runs, self._rows)
        key_bytes, sealed_at = self._key_bytes, self._key_bytes + _LENGTH_BYTES
        for row in rows:
            yield row[:key_bytes], row[sealed_at:]

    def _read_run(self, start: int, end: int, read_bytes: int) -> Iterator[bytes]:
        descriptor, key_bytes, head = self._file.fileno(), self._key_bytes, self._key_bytes + _LENGTH_BYTES
        rest = b""
        while start < end:
            chunk = os.pread(descriptor, min(read_bytes, end - start), start)
            if not chunk:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            start += len(chunk)
            data = rest + chunk
            size = len(data)
            at = 0
            while at + head <= size:
                row_end = at + head + int.from_bytes(data[at + key_bytes : at + head])
                if row_end > size:
                    break
                yield data[at:row_end]
                at = row_end
            rest = data[at:]
        if rest:  # a damaged length: people would be missing without a word
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def close(self) -> None:
        """Free the memory and the disk space."""
        self._rows = []
        self._file.close()
