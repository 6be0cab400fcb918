"""Look passwords up in a corpus file; `building.py` writes it. docs/decisions/0080 describes the format.

A corpus holds the first 64 bits of SHA-1 hashes, of which 16 and a place are stored: one in 65,536 passwords
that are not in it seems to be. Each look-up reads two places of the file, and checks a checksum. The file is
read, not mapped: a process that has mapped a file is killed when somebody cuts it.
"""

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha1
from os import pread
from pathlib import Path
from typing import Self
from zlib import crc32

MAGIC = b"\x89PWC\r\n\x1a\n"  # a transfer as text alters it
VERSION = 1
BYTE_ORDER = 0x01020304
# Magic, version, bits of a shard's number, byte order, hashes, bytes of the file, when it was built.
HEADER = struct.Struct("<8sHHIQQQ")
CHECKSUM = struct.Struct("<I")
TABLE_START = HEADER.size + CHECKSUM.size
# Of a shard: where its bytes begin, how many hashes it has, and their CRC-32, which begins with the number of
# the shard and 1: so a hole of zeros is no empty shard, and one shard is not another.
ENTRY = struct.Struct("<QII")
ENTRY_BYTES = ENTRY.size
_unpack_entry = ENTRY.unpack
KEY_BITS, KEY_BYTES = 64, 8
PLACE_BITS = 32
PLACES_PER_BYTE = 4
TAG_BYTES = 2
MAX_SHARD_BITS = 32

_KEY_MASK = (1 << KEY_BITS) - 1
_BUILD_AGAIN = "Build it again with: portal passwords build"


class CorpusRefused(Exception):
    """A file is no corpus that can be used; the message says why, and what to do."""


def key_of(password: str) -> bytes:
    """Return what a corpus knows of a password, in the form that is hashed."""
    return sha1(password.encode(), usedforsecurity=False).digest()[:KEY_BYTES]


def table_end(shard_bits: int) -> int:
    """Return where the table of shards ends, and their contents begin."""
    return TABLE_START + (ENTRY.size << shard_bits)


@dataclass(frozen=True)
class Header:
    """The beginning of a corpus file."""

    shard_bits: int
    hashes: int
    size: int
    built_at: datetime

    def packed(self) -> bytes:
        """Return its bytes in the file."""
        fields = (self.shard_bits, BYTE_ORDER, self.hashes, self.size, int(self.built_at.timestamp()))
        header = HEADER.pack(MAGIC, VERSION, *fields)
        return header + CHECKSUM.pack(crc32(header))

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Return the header of a file that begins with `content`. Raises CorpusRefused."""
        if not content.startswith(MAGIC):
            raise CorpusRefused(f"is not a file of portal passwords build. {_BUILD_AGAIN}")
        if len(content) < TABLE_START:
            raise CorpusRefused(
                f"ends within its first {TABLE_START} bytes. Copy it again, or build it again"
            )
        _, version, bits, order, hashes, size, built_at = HEADER.unpack_from(content)
        if order == int.from_bytes(BYTE_ORDER.to_bytes(4, "little"), "big"):
            raise CorpusRefused(f"has its bytes in the other order. {_BUILD_AGAIN}")
        if version > VERSION:
            raise CorpusRefused(
                f"has format {version}, and this version of the portal reads up to {VERSION}. Upgrade the "
                "portal, or build the file with this version"
            )
        damaged = CHECKSUM.unpack_from(content, HEADER.size) != (crc32(content[: HEADER.size]),)
        if damaged or not version or order != BYTE_ORDER or bits > MAX_SHARD_BITS:
            raise CorpusRefused("is damaged in its header. Copy it again, or build it again")
        return cls(bits, hashes, size, datetime.fromtimestamp(built_at, UTC))


class Corpus:
    """An open corpus file. It stays whole for its readers when another file takes its name.

    Its methods raise CorpusRefused where the file is damaged or was cut.
    """

    def __init__(self, path: Path) -> None:
        """Open a file, and read its header alone. Raises CorpusRefused."""
        self.path = path
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise CorpusRefused(f"cannot be opened ({error.strerror})") from error
        try:
            status = os.fstat(self._file)
            self.header = Header.read(pread(self._file, TABLE_START, 0))
        except OSError as error:
            raise CorpusRefused(f"cannot be read ({error.strerror})") from error
        self._size, self._shift = self.header.size, KEY_BITS - self.header.shard_bits
        if status.st_size != self._size:
            raise CorpusRefused(
                f"has {status.st_size} bytes instead of {self.header.size}. Copy it again, to another name "
                "first, and move it into place when it is whole; or build it again"
            )

    def __del__(self) -> None:
        """Close the file, once no thread looks into it any more."""
        if hasattr(self, "_file"):
            os.close(self._file)

    def holds(self, password: str) -> bool:
        """Return whether the corpus has a password, in the form that is hashed."""
        return self.holds_key(key_of(password))

    def holds_key(self, key: bytes) -> bool:
        """Return whether the corpus has a key: see `key_of`."""
        number = int.from_bytes(key)
        hashes, places_end, content = self._shard(number >> self._shift)
        tag = key[-TAG_BYTES:]
        found = content.find(tag, places_end)
        if found < 0:
            return False
        # The hashes of a shard are in order. That with an index lies in this place if the places before it
        # hold as many hashes, so that its bit is the one with index + place.
        bits = self.header.shard_bits
        place = (((number << bits) & _KEY_MASK) >> (KEY_BITS - PLACE_BITS)) * hashes >> PLACE_BITS
        places = int.from_bytes(content[:places_end], "little")
        while found >= 0:
            index, odd = divmod(found - places_end, TAG_BYTES)
            bit = index + place
            if not odd and places >> bit & 1 and (places & ((1 << bit) - 1)).bit_count() == index:
                return True
            found = content.find(tag, found + 1)
        return False

    def verify(self, show: Callable[[int, int], None] = lambda _done, _total: None) -> None:
        """Read the whole file, and check it; `show` is told how many shards of how many are done."""
        shards, hashes = 1 << self.header.shard_bits, 0
        for shard in range(shards):
            hashes += self._shard(shard)[0]
            if not shard % 1024:
                show(shard, shards)
        if hashes != self.header.hashes:
            raise CorpusRefused(
                "is damaged: it has another number of hashes. Copy it again, or build it again"
            )
        show(shards, shards)

    def _shard(self, shard: int) -> tuple[int, int, bytes]:
        """Return how many hashes a shard has, and its content: places up to an end, then tags."""
        try:
            entry = pread(self._file, ENTRY_BYTES, TABLE_START + shard * ENTRY_BYTES)
            start, hashes, expected = _unpack_entry(entry)
            places_end = (hashes + PLACES_PER_BYTE - 1) // PLACES_PER_BYTE
            size = places_end + TAG_BYTES * hashes
            content = pread(self._file, size, start) if start + size <= self._size else b""
        except (OSError, struct.error, OverflowError) as error:
            raise CorpusRefused(f"cannot be read ({error}). Copy it again, or build it again") from error
        if crc32(content, shard + 1) != expected or len(content) != size:
            raise CorpusRefused(f"is damaged in shard {shard}. Copy it again, or build it again")
        return hashes, places_end, content
