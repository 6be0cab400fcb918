"""Streams of bytes in bounded memory: look ahead and count, decompress gzip, re-encode as UTF-8."""

import codecs
import gzip
import zlib
from typing import BinaryIO, Protocol

from portal.people_files.formats.refusal import FileRefused, OptionUnusable

# A file of people shrinks to a fifth or a twentieth. What grows more than this many times is a bomb.
MAX_RATIO = 200
_ALWAYS_EXPANDED = 64 << 20
# Python's text encodings that are escapes, domain names or shift states, and never what a file is in.
_NEVER_A_FILE = frozenset({"idna", "punycode", "unicode-escape", "unicode_escape", "raw-unicode-escape",
                           "raw_unicode_escape", "utf-7", "undefined", "mbcs", "oem"})  # fmt: skip


class Source(Protocol):
    """What is read in order, once."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""


class Stream:
    """A file or stream that is read once; `bytes_read` counts, `peek` looks ahead."""

    def __init__(self, source: Source) -> None:
        """Read nothing yet."""
        self._source = source
        self._ahead = b""
        self.bytes_read = 0

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes without reading them; fewer only at the end."""
        while len(self._ahead) < size and (chunk := self._read(size - len(self._ahead))):
            self._ahead += chunk
        return self._ahead[:size]

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; none at the end."""
        if self._ahead:
            end = len(self._ahead) if size < 0 else size
            chunk, self._ahead = self._ahead[:end], self._ahead[end:]
            return chunk
        return self._read(size)

    def skip(self, size: int) -> None:
        """Drop bytes that were peeked at."""
        self._ahead = self._ahead[size:]

    def _read(self, size: int) -> bytes:
        chunk = self._source.read(size)
        self.bytes_read += len(chunk)
        return chunk


class Gunzip:
    """The content of a gzip file. Raises FileRefused if it is damaged, cut, or a bomb."""

    def __init__(self, compressed: Stream) -> None:
        """Decompress while reading."""
        self._compressed = compressed
        self._expanded = gzip.GzipFile(fileobj=_readable(compressed), mode="rb")
        self._bytes = 0

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""
        try:
            chunk = self._expanded.read(size)
        except EOFError:
            raise FileRefused(1, "the gzip file is cut: its end is missing") from None
        except (gzip.BadGzipFile, zlib.error):
            raise FileRefused(1, "the gzip file is damaged") from None
        self._bytes += len(chunk)
        if self._bytes > max(_ALWAYS_EXPANDED, MAX_RATIO * self._compressed.bytes_read):
            raise FileRefused(1, f"the gzip file expands to more than {MAX_RATIO} times its size")
        return chunk


def _readable(stream: Stream) -> BinaryIO:
    return stream  # type: ignore[return-value]  # gzip only reads: it neither seeks nor closes what it is given


class Transcoder:
    """A text of another encoding, as UTF-8. Raises FileRefused at the line that does not decode."""

    def __init__(self, source: Source, encoding: str) -> None:
        """Take the name of an encoding that `checked` returned."""
        self._source = source
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._lines = 0

    def read(self, size: int, /) -> bytes:
        """Return about `size` bytes; none at the end."""
        while chunk := self._source.read(size):
            if text := self._decode(chunk, final=False):
                return text.encode()
        return self._decode(b"", final=True).encode()

    def _decode(self, chunk: bytes, *, final: bool) -> str:
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(self._encoding, "replace")
            line = self._lines + before.count("\n") + 1
            raise FileRefused(line, f"the line is not in the encoding {self._encoding}") from None
        self._lines += text.count("\n")
        return text


def checked(encoding: str) -> str:
    """Return the name by which Python knows a text encoding. Raises OptionUnusable."""
    try:
        name = codecs.lookup(encoding).name
        "email".encode(name)  # raises LookupError for what is no text encoding
    except (LookupError, UnicodeError):
        name = ""
    if not name or name in _NEVER_A_FILE:
        raise OptionUnusable(
            f"'{encoding}' is no text encoding. Usual ones: cp1252 (Excel in Western Europe and America), "
            "cp1250 (Central Europe), cp1251 (Cyrillic), cp932 (Japanese), utf-16."
        )
    return name
