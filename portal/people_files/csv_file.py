"""Read UTF-8 CSV (RFC 4180) in bounded memory; reject a damaged file by line number, never by value."""

import csv
import re
from collections.abc import Callable, Iterator
from io import StringIO
from itertools import chain
from operator import itemgetter
from typing import BinaryIO

Pick = Callable[[list[str]], tuple[str, ...]]

MAX_RECORD = 65_536
_BLOCK = 4 * MAX_RECORD

_MARKS = (
    (b"\xef\xbb\xbf", "starts with a byte order mark (BOM). Save the file as UTF-8 without a BOM"),
    (b"\xff\xfe", "is UTF-16. Save the file as UTF-8"),
    (b"\xfe\xff", "is UTF-16. Save the file as UTF-8"),
    (b"PK\x03\x04", "is a workbook (XLSX) or a zip archive. Save it as CSV in UTF-8"),
    (b"\x1f\x8b", "is compressed with gzip. Decompress it first: gunzip FILE"),
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_ .-]{0,39}\Z")


class FileRefused(Exception):
    """The whole file is rejected; `reason` has no final full stop and never quotes a value of the line."""

    def __init__(self, line: int, reason: str) -> None:
        """Store the number of the physical line, counted from 1, and the reason."""
        self.line = line
        self.reason = reason
        super().__init__(f"line {line}: {reason}")


class CsvFile:
    """Read one file once; `bytes_read` grows meanwhile, `whole` is False without a last line break."""

    def __init__(self, file: BinaryIO, columns: tuple[str, ...], needed: tuple[str, ...]) -> None:
        """Take an open file, the columns it may have, and the columns it must have; read nothing yet."""
        self._columns = columns
        self._needed = needed
        self._file = file
        self._lines_before = 0
        self._record_start = 1
        self.bytes_read = 0
        self.whole = True

    def rows(self) -> Iterator[tuple[int, tuple[str, ...] | None]]:
        """Yield each row with the number of its first line, counted from 1; blank lines are skipped.

        A row is its cells in the order of `columns` (empty for a column that the file lacks), or None if it
        has more or fewer fields than the header. Raises FileRefused.
        """
        reader = csv.reader(chain.from_iterable(self._blocks()), strict=True)
        try:
            pick, width = self._picker(next(reader, None))
            start = self._record_start = reader.line_num + 1
            for row in reader:
                if len(row) == width:
                    row.append("")
                    yield start, pick(row)
                elif row:
                    yield start, None
                start = self._record_start = reader.line_num + 1
        except csv.Error as error:
            raise self._malformed(str(error)) from None

    def _blocks(self) -> Iterator[StringIO]:
        """Yield the file in blocks of whole lines, each checked for NUL bytes, UTF-8 and line length."""
        rest = b""
        waiting_since = 0
        while chunk := self._file.read(_BLOCK):
            if not self.bytes_read:
                for mark, reason in _MARKS:
                    if chunk.startswith(mark):
                        raise FileRefused(1, f"the file {reason}")
            self.bytes_read += len(chunk)
            block, line_break, rest = (rest + chunk).rpartition(b"\n")
            block += line_break
            self._refuse_long(block, rest)
            if not block:
                continue
            if waiting_since == self._record_start:
                raise FileRefused(waiting_since, "a quotation mark is not closed, or the row is far too long")
            waiting_since = self._record_start
            yield self._text(block)
        if rest:
            self.whole = False
            yield self._text(rest)

    def _refuse_long(self, block: bytes, rest: bytes) -> None:
        at = 0
        while at < len(block):
            end = block.rfind(b"\n", at, at + MAX_RECORD)
            if end < 0:
                break
            at = end + 1
        if at < len(block) or len(rest) > MAX_RECORD:
            raise FileRefused(self._line_at(block, at), f"the line is longer than {MAX_RECORD} bytes")

    def _text(self, block: bytes) -> StringIO:
        nul = block.find(b"\0")
        if nul >= 0:
            every_other = block.count(b"\0") >= len(block) // 4
            cause = (
                "probably UTF-16. Save the file as UTF-8"
                if every_other
                else "the file is damaged or not UTF-8"
            )
            raise FileRefused(self._line_at(block, nul), f"the line contains a NUL byte; {cause}")
        try:
            text = block.decode()
        except UnicodeDecodeError as error:
            line = self._line_at(block, error.start)
            raise FileRefused(line, "the line is not UTF-8. Save the file as UTF-8") from None
        self._lines_before += block.count(b"\n")
        return StringIO(text, newline="\n")

    def _line_at(self, block: bytes, offset: int) -> int:
        return self._lines_before + block.count(b"\n", 0, offset) + 1

    def _malformed(self, error: str) -> FileRefused:
        if "new-line" in error:
            return FileRefused(
                self._record_start,
                "lines end with a carriage return only (CR). Save the file with LF or CRLF line ends",
            )
        if "unexpected end" in error:
            return FileRefused(
                self._record_start, "a quotation mark is not closed; the file may be truncated"
            )
        return FileRefused(
            self._record_start, 'a quotation mark is misplaced; inside a quoted field, double it ("")'
        )

    def _picker(self, header: list[str] | None) -> tuple[Pick, int]:
        if not header:
            raise FileRefused(1, "the first line is empty; it must be the header with the column names")
        names = [name.strip().lower() for name in header]
        if not set(names) & set(self._columns):
            hint = ". Columns are separated by commas" if any(c in header[0] for c in ";\t|") else ""
            raise FileRefused(
                1,
                f"there is no header. The first line must name the columns: {', '.join(self._columns)}{hint}",
            )
        unknown = [i for i, name in enumerate(names) if name not in self._columns]
        if unknown:
            listed = ", ".join(
                f"'{header[i].strip()}'" if _NAME.match(header[i].strip()) else f"number {i + 1}"
                for i in unknown
            )
            raise FileRefused(
                1, f"unknown column {listed}. Remove it from the file: only the known columns are stored"
            )
        duplicates = sorted({name for name in names if names.count(name) > 1})
        if duplicates:
            raise FileRefused(1, f"the column '{duplicates[0]}' appears more than once")
        missing = [name for name in self._needed if name not in names]
        if missing:
            raise FileRefused(1, f"the column '{missing[0]}' is missing")
        width = len(names)
        return itemgetter(*(names.index(name) if name in names else width for name in self._columns)), width
