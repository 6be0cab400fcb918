"""Read files of hashes or words as the first 64 bits of SHA-1 hashes, in arrays of numpy."""

import gzip
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha1
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from portal.blocklists.corpus import KEY_BYTES

Keys = NDArray[np.uint64]

CHUNK_BYTES = 4 << 20
LONGEST_LINE = 1 << 16
HASH_DIGITS, PREFIX_DIGITS = 40, 5
SUFFIX_DIGITS = HASH_DIGITS - PREFIX_DIGITS
LINE_END, RETURN, COLON = b"\n\r:"
BOM = b"\xef\xbb\xbf"
PREFIX_FILE = re.compile(r"([0-9A-Fa-f]{5})(\.txt)?(\.gz)?\Z")
DIGEST = re.compile(rb"([0-9A-Fa-f]{32,128})(:[0-9]+)?\r?\Z")
OTHER_DIGESTS = {32: "NTLM or MD5", 56: "SHA-224", 64: "SHA-256", 96: "SHA-384", 128: "SHA-512"}
HEX = np.zeros(256, bool)
HEX[list(b"0123456789abcdefABCDEF")] = True
NO_KEYS: Keys = np.empty(0, np.uint64)


class SourceRefused(Exception):
    """A file cannot be taken; the message says which, in which line, and what to do."""


class Kind(Enum):
    """What the lines of a file are."""

    HASHES = "hashes"
    WORDS = "words"


@dataclass(frozen=True)
class Source:
    """A file, and the first digits of its hashes where its name has them."""

    path: Path
    prefix: str = ""

    @property
    def size(self) -> int:
        """The size of the file. Raises OSError."""
        return self.path.stat().st_size


def find(paths: Sequence[Path]) -> list[Source]:
    """Return the files to read: those given, and those of the folders given. Raises SourceRefused."""
    found: list[Source] = []
    for path in paths:
        if not path.is_dir():
            found.append(Source(path))
            continue
        named = sorted(
            (match[1].upper(), each) for each in path.iterdir() if (match := PREFIX_FILE.match(each.name))
        )
        if not named:
            raise SourceRefused(f"{path} has no files that are named like 0A1B2 or 0A1B2.txt")
        found += [Source(each, prefix) for prefix, each in named]
    return found


def keys_of(source: Source, kind: Kind | None, read: Callable[[int], None]) -> Iterator[Keys]:
    """Yield the hashes of a file, a few at a time; `read` is told how many bytes of it were read.

    Raises SourceRefused, OSError.
    """
    line = 1
    for chunk in _chunks(source, read):
        if line == 1:
            chunk = chunk.removeprefix(BOM)  # noqa: PLW2901
            kind = kind or _kind(source, chunk)
        if kind is Kind.WORDS:
            yield _of_words(source, chunk, line)
        else:
            keys = _of_hashes(chunk, source.prefix)
            if keys is None:
                raise SourceRefused(_bad_line(source, chunk, line))
            yield keys
        line += chunk.count(b"\n")


def _chunks(source: Source, read: Callable[[int], None]) -> Iterator[bytes]:
    """Yield the content in pieces of whole lines, each with its line end."""
    with source.path.open("rb") as raw:
        packed = raw.peek(2).startswith(b"\x1f\x8b")  # a pipe cannot go back
        file = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if packed else raw
        rest, before = b"", 0
        while True:
            try:
                content = file.read(CHUNK_BYTES)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise SourceRefused(f"{source.path}: its gzip is cut or damaged. Get it again") from error
            now = raw.tell() if packed else before + len(content)
            read(now - before)
            before = now
            if not content:
                break
            whole, end, begun = content.rpartition(b"\n")
            if not end:
                rest += begun
            else:
                yield rest + whole + end
                rest = begun
            if len(rest) > LONGEST_LINE:
                raise SourceRefused(
                    f"{source.path} has a line of more than {LONGEST_LINE} bytes. Is it a text file?"
                )
        if rest:
            yield rest + b"\n"


def _kind(source: Source, chunk: bytes) -> Kind:
    """Return what the lines of a file are, from its beginning. Raises SourceRefused where that is unclear."""
    if source.prefix:
        return Kind.HASHES
    lines = chunk.split(b"\n", 1000)[:1000]
    seen = [len(match[1]) if (match := DIGEST.match(line)) else 0 for line in lines if line.strip()]
    if not seen or not any(seen):
        return Kind.WORDS
    if seen[0] == HASH_DIGITS:
        return Kind.HASHES
    if not seen[0]:
        raise SourceRefused(
            f"{source.path} has hashes, and its first line is none. Remove that line; if these are words, "
            "say --as words"
        )
    if seen[0] == SUFFIX_DIGITS:
        raise SourceRefused(f"{source.path} is one file of a folder by prefixes. Name the folder instead")
    what = OTHER_DIGESTS.get(seen[0], f"of {seen[0]} digits")
    raise SourceRefused(
        f"{source.path} has hashes that are {what}, not SHA-1. Get the list by SHA-1; if these are words, "
        "say --as words"
    )


def _of_hashes(chunk: bytes, prefix: str) -> Keys | None:
    """Return the hashes of lines, or None where a line is not a hash, or a hash with a count."""
    digits = HASH_DIGITS - len(prefix)
    text = np.frombuffer(chunk, np.uint8)
    ends = np.flatnonzero(text == LINE_END)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts
    returns = np.count_nonzero(text == RETURN)
    if returns:
        ended = (lengths > 0) & (text[ends - 1] == RETURN)
        if returns != np.count_nonzero(ended):
            return None
        lengths = lengths - ended
    if not lengths.all():
        starts, lengths = starts[lengths > 0], lengths[lengths > 0]
    if not len(starts):
        return NO_KEYS
    if lengths.min() < digits:
        return None
    # Each line is a hash, or a hash and a colon; nothing else but digits, colons and ends is anywhere.
    colons = np.count_nonzero(text == COLON)
    counted = np.count_nonzero(text[starts + digits] == COLON)
    known = np.count_nonzero(HEX[text]) + colons + returns + len(ends)
    if (
        counted + np.count_nonzero(lengths == digits) != len(starts)
        or colons != counted
        or known != len(text)
    ):
        return None
    return _first_bits(chunk, starts, prefix)


def _first_bits(chunk: bytes, starts: NDArray[np.int64], prefix: str) -> Keys:
    """Return the numbers of the first 16 hex digits; those of the prefix come before each line."""
    eight: Any = np.ndarray((len(chunk) - 7,), ">u8", chunk, strides=(1,))
    if not prefix:
        return (_of_digits(eight[starts]) << np.uint64(32)) | _of_digits(eight[starts + 8])
    high = np.uint64(int(prefix, 16)) << np.uint64(44)
    first, second = _of_digits(eight[starts]), _of_digits(eight[starts + 8])
    return high | (first << np.uint64(12)) | (second >> np.uint64(20))


def _of_digits(text: NDArray[Any]) -> Keys:
    """Return the numbers that eight hex digits each say, which are the bytes of a number."""
    values: Keys = text.astype(np.uint64)
    letters = (values >> np.uint64(6)) & np.uint64(0x0101010101010101)
    values = (values & np.uint64(0x0F0F0F0F0F0F0F0F)) + letters * np.uint64(9)
    values = (values | (values >> np.uint64(4))) & np.uint64(0x00FF00FF00FF00FF)
    values = (values | (values >> np.uint64(8))) & np.uint64(0x0000FFFF0000FFFF)
    values |= values >> np.uint64(16)
    return values & np.uint64(0xFFFFFFFF)


def _of_words(source: Source, chunk: bytes, line: int) -> Keys:
    """Return the hashes of words, one a line, in the form that passwords are hashed in (NFC)."""
    hashes = bytearray()
    ascii_only = chunk.isascii()
    for number, ended in enumerate(chunk.split(b"\n"), line):
        word = ended.removesuffix(b"\r")
        if not word:
            continue
        if not ascii_only:
            try:
                word = unicodedata.normalize("NFC", word.decode()).encode()
            except UnicodeDecodeError as error:
                raise SourceRefused(
                    f"{source.path}, line {number}: is not UTF-8. Convert it with: iconv"
                ) from error
        hashes += sha1(word, usedforsecurity=False).digest()[:KEY_BYTES]
    return np.frombuffer(bytes(hashes), ">u8").astype(np.uint64)


def _bad_line(source: Source, chunk: bytes, line: int) -> str:
    digits = HASH_DIGITS - len(source.prefix)
    wanted = re.compile(rb"[0-9A-Fa-f]{%d}(:[0-9A-Fa-f]+)?\r?\Z" % digits)
    lines = chunk.split(b"\n")
    bad = next(
        (number for number, text in enumerate(lines, line) if text.strip() and not wanted.match(text)), line
    )
    return (
        f"{source.path}, line {bad}: is not {digits} hex digits of SHA-1, with or without a colon and a "
        "count. Get the file again, or remove the line"
    )
