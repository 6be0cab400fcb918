"""Build a corpus file from files of hashes or words. It needs numpy, which the web process never imports."""

import fcntl
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import numpy as np

from portal.blocklists.corpus import KEY_BITS, PLACE_BITS, Header, table_end
from portal.blocklists.partition import Parts
from portal.blocklists.sources import NO_KEYS, Keys, Kind, SourceRefused, find, keys_of
from portal.core.disk_space import free_bytes, readable

READING, WRITING = "Reading", "Writing"

# Larger shards take longer to read, smaller ones need more entries in the table.
MAX_MEAN_SHARD = 640
MIN_SHARD_BITS = 8
# What a hash takes on the disk at the peak: in the temporary file, and in the new corpus.
ROOM_PER_HASH = 8 + 2.4
SHORTEST_LINE = 36  # of a hash
ROOM_LEFT = 16 << 20


@dataclass(frozen=True)
class Built:
    """A corpus that was written."""

    output: Path
    files: int
    hashes: int
    size: int


def build(
    paths: Sequence[Path],
    output: Path,
    *,
    kind: Kind | None,
    now: datetime,
    show: Callable[[str, int, int], None],
) -> Built:
    """Write the corpus of these files and folders, and replace `output` once it is whole.

    `kind` says what the lines are; None looks. Raises SourceRefused, OSError; `output` is then as it was.
    """
    sources = find(paths)
    total = sum(source.size for source in sources)
    _check_room(output.parent, total)
    done = 0

    def read(size: int) -> None:
        nonlocal done
        done += size
        show(READING, done, total)

    parts = Parts(output.parent)
    try:
        with _replacing(output) as file:
            for source in sources:
                for keys in keys_of(source, kind, read):
                    parts.add(keys)
            if not parts.count:
                raise SourceRefused("There is no hash and no word in these files")
            shards = Shards(file, max(MIN_SHARD_BITS, (parts.count // MAX_MEAN_SHARD).bit_length()))
            for keys in parts.sorted():
                shards.add(keys)
                show(WRITING, shards.hashes, parts.count)
            header = shards.finish(now)
            show(WRITING, parts.count, parts.count)
    finally:
        parts.close()
    return Built(output, len(sources), header.hashes, header.size)


class Shards:
    """Writes the shards of a corpus, and then their table."""

    def __init__(self, file: IO[bytes], bits: int) -> None:
        """Begin with a file that is empty."""
        self.hashes = 0
        self._file = file
        self._bits = bits
        self._table = np.zeros(
            1 << bits, np.dtype([("start", "<u8"), ("hashes", "<u4"), ("checksum", "<u4")])
        )
        self._next = 0
        self._end = table_end(bits)
        self._begun = NO_KEYS  # of the shard that more hashes may follow for
        file.seek(self._end)

    def add(self, keys: Keys) -> None:
        """Add hashes in order, which come after those that were added before."""
        keys = np.concatenate((self._begun, keys))
        last = int(keys[-1]) >> (KEY_BITS - self._bits)
        numbers = np.arange(self._next, last + 1, dtype=np.uint64)
        bounds = np.searchsorted(keys, numbers << np.uint64(KEY_BITS - self._bits))
        for shard, start, end in zip(range(self._next, last), bounds, bounds[1:], strict=False):
            self._write(shard, keys[start:end])
        self._begun = keys[bounds[-1] :].copy()
        self._next = last

    def finish(self, now: datetime) -> Header:
        """Write what is left, the table and the header; return the header."""
        self._write(self._next, self._begun)
        for shard in range(self._next + 1, len(self._table)):
            self._write(shard, NO_KEYS)
        header = Header(self._bits, self.hashes, self._end, now)
        self._file.seek(0)
        self._file.write(header.packed())
        self._file.write(self._table.tobytes())
        return header

    def _write(self, shard: int, keys: Keys) -> None:
        content = encoded(keys, self._bits)
        self._table[shard] = (self._end, len(keys), zlib.crc32(content, shard + 1))
        self._file.write(content)
        self._end += len(content)
        self.hashes += len(keys)


def encoded(keys: Keys, bits: int) -> bytes:
    """Return the content of a shard from its hashes, in order and each once.

    It has as many places as hashes. First come, for each place, a bit for each hash in it, and a bit that is
    not set: two bits a hash. Then come the last 16 bits of the hashes.
    """
    count = len(keys)
    fractions = (keys << np.uint64(bits)) >> np.uint64(KEY_BITS - PLACE_BITS)
    places = (fractions * np.uint64(count)) >> np.uint64(PLACE_BITS)
    marks = np.zeros(2 * count, np.uint8)
    marks[places.astype(np.int64) + np.arange(count)] = 1
    return np.packbits(marks, bitorder="little").tobytes() + keys.astype(">u2").tobytes()


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Give a file that takes the place of `path` at the end of the block, or is removed.

    Its name is always the same: what a killed process left behind, the next one replaces.
    """
    path = path.resolve()
    part = path.with_name(f".{path.name}.part")
    with part.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SourceRefused(f"Another process is building {path} at this moment") from error
        try:
            with part.open("r+b") as file:
                file.truncate()
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check_room(folder: Path, text_bytes: int) -> None:
    """Refuse to begin where the disk is too small. Raises SourceRefused."""
    needed = int(text_bytes / SHORTEST_LINE * ROOM_PER_HASH) + ROOM_LEFT
    if (free := free_bytes(folder)) < needed:
        raise SourceRefused(
            f"The disk of {folder} has {readable(free)} free, and the build needs up to {readable(needed)}. "
            "Free some space, or write the output to another disk"
        )
