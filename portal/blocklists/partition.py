"""Sort hashes within a bounded memory: by their first bits into parts, then one part after the other."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from portal.blocklists.sources import NO_KEYS, Keys

KEY_BITS = 64
PART_BITS = 8
MAX_HELD_BYTES = 64 << 20
MAX_SORTED = 6_000_000  # hashes: sorting them takes 150 MB
READ_HASHES = 1 << 19


class Parts:
    """Hashes by their bits from `first_bit` on: in memory, and beyond that in a file without a name.

    A process that is killed leaves nothing behind. Raises OSError where the disk is full.
    """

    def __init__(self, folder: Path, first_bit: int = 0) -> None:
        """Begin without hashes; the file will be in `folder`."""
        self.count = 0
        self._folder = folder
        self._first_bit = first_bit
        self._shift = np.uint64(max(KEY_BITS - first_bit - PART_BITS, 0))
        self._held: list[list[Keys]] = [[] for _ in range(1 << PART_BITS)]
        self._held_bytes = 0
        self._file: IO[bytes] | None = None
        self._end = 0
        self._pieces: list[list[tuple[int, int]]] = [[] for _ in range(1 << PART_BITS)]

    def add(self, keys: Keys) -> None:
        """Add hashes, whose bits before `first_bit` are all the same."""
        keys = unique(keys)
        self.count += len(keys)
        places = (keys >> self._shift) & np.uint64((1 << PART_BITS) - 1)
        bounds = np.searchsorted(places, np.arange((1 << PART_BITS) + 1, dtype=np.uint64)).tolist()
        for held, start, end in zip(self._held, bounds, bounds[1:], strict=False):
            if end > start:
                held.append(keys[start:end])
        self._held_bytes += keys.nbytes
        if self._held_bytes >= MAX_HELD_BYTES:
            self._write()

    def sorted(self) -> Iterator[Keys]:
        """Yield all hashes in order, each once, in arrays of bounded length; then nothing is left."""
        for part in range(1 << PART_BITS):
            count = sum(len(keys) for keys in self._held[part]) + sum(
                count for _, count in self._pieces[part]
            )
            next_bit = self._first_bit + PART_BITS
            if count <= MAX_SORTED or next_bit >= KEY_BITS:
                keys = unique(np.concatenate([NO_KEYS, *self._read(part)]))
                if len(keys):
                    yield keys
                continue
            smaller = Parts(self._folder, next_bit)
            for keys in self._read(part):
                smaller.add(keys)
            yield from smaller.sorted()
        self.close()

    def close(self) -> None:
        """Give the room on the disk back."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - `close` closes it
        for held, pieces in zip(self._held, self._pieces, strict=True):
            if held:
                keys = np.concatenate(held)
                self._file.write(keys.tobytes())
                pieces.append((self._end, len(keys)))
                self._end += keys.nbytes
                held.clear()
        self._held_bytes = 0

    def _read(self, part: int) -> Iterable[Keys]:
        """Yield the hashes of a part, which is then empty."""
        for start, count in self._pieces[part]:
            for first in range(0, count, READ_HASHES):
                yield self._read_piece(start + 8 * first, min(READ_HASHES, count - first))
        self._pieces[part].clear()
        while self._held[part]:
            yield self._held[part].pop()

    def _read_piece(self, start: int, count: int) -> Keys:
        if self._file is None:
            return NO_KEYS
        self._file.seek(start)
        return np.frombuffer(self._file.read(8 * count), np.uint64)


def unique(keys: Keys) -> Keys:
    """Return hashes in order, each once."""
    if len(keys) > 1:
        if not (keys[1:] >= keys[:-1]).all():
            keys = np.sort(keys)
        fresh = np.empty(len(keys), bool)
        fresh[0] = True
        np.not_equal(keys[1:], keys[:-1], out=fresh[1:])
        if not fresh.all():
            keys = keys[fresh]
    return keys
