"""Read delimited text (RFC 4180) in bounded memory; reject a damaged file by line number, never by value."""

import csv
import re
from collections.abc import Callable, Iterator
from io import StringIO
from itertools import chain

from portal.people_files.formats.refusal import FileRefused, Undecided
from portal.people_files.formats.streams import Source

MAX_RECORD = 65_536
_BLOCK = 4 * MAX_RECORD
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# What Excel for Windows saves as "CSV" in most of Europe and America.
_TOLD = re.compile(r"\"?sep=(.)\"?\r?\Z", re.IGNORECASE)
LIKELY_ENCODING = "cp1252"
NOT_UTF8 = (
    f"the line is not UTF-8. If Excel saved the file on Windows, add --encoding {LIKELY_ENCODING}; "
    "otherwise name its encoding, or save it as UTF-8"
)


class Delimited:
    """One file of delimited text, as UTF-8, read once.

    `header` is its first row that is not blank, `header_line` that row's line. `whole` is False if the last
    line has no line break. `plain` is True if there was nothing to guess: columns separated by commas.
    `not_utf8` is the line that is not UTF-8, if that was seen with the header: then the rows cannot be read.
    """

    def __init__(self, source: Source, recognises: Callable[[str], bool], encoding: str = "") -> None:
        """Read the header; `recognises` says whether a header names a column, to find the delimiter.

        `encoding` is the name of what was re-encoded, for messages. Raises FileRefused.
        """
        self._source = source
        self._recognises = recognises
        self._encoding = encoding
        self._lines_before = 0
        self._begun = False
        self._record_start = 1
        self.whole = True
        self.not_utf8: int | None = None
        self.blank_rows = 0
        self.hidden_rows = 0
        self._delimiter = ","
        blocks = self._blocks()
        self._told, first = self._head(next(blocks, StringIO()).getvalue())
        self._skipped = 1 if self._told else 0
        self._reader = csv.reader(
            chain.from_iterable(chain([first], blocks)), delimiter=self._delimiter, strict=True
        )
        self.header_line, self.header = next(self.rows(), (1, []))
        self.blank_rows = 0
        self.plain = self._delimiter == "," and not self._told

    @property
    def description(self) -> str:
        """What the file is, for a preview."""
        encoding = self._encoding or (LIKELY_ENCODING if self.not_utf8 else "UTF-8")
        return f"text in {encoding}, columns separated by {DELIMITERS.get(self._delimiter, self._delimiter)}"

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield each row with the number of its first line, counted from 1. Raises FileRefused."""
        reader, skipped = self._reader, self._skipped
        try:
            start = self._record_start = reader.line_num + skipped + 1
            for row in reader:
                if row:
                    yield start, row
                else:
                    self.blank_rows += 1
                start = self._record_start = reader.line_num + skipped + 1
        except csv.Error as error:
            raise self._malformed(str(error)) from None

    def _head(self, text: str) -> tuple[bool, StringIO]:
        """Find the delimiter in the first block; return whether the file says it, and the block without that.

        Excel reads and some programs write a first line `sep=;`.
        """
        line, _, rest = text.partition("\n")
        if told := _TOLD.match(line):
            self._delimiter = told[1]
            return True, StringIO(rest, newline="\n")
        best = (-1, -1)
        for delimiter in DELIMITERS:
            try:
                header = next(filter(None, csv.reader(StringIO(text, newline="\n"), delimiter=delimiter)), [])
            except csv.Error:
                continue
            found = (sum(map(self._recognises, header)), len(header))
            if found > best:
                best, self._delimiter = found, delimiter
        return False, StringIO(text, newline="\n")

    def _blocks(self) -> Iterator[StringIO]:
        """Yield the file in blocks of whole lines, each checked for NUL bytes, UTF-8 and line length."""
        rest = b""
        waiting_since = 0
        while chunk := self._source.read(_BLOCK):
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
                "probably UTF-16 without its mark. If so, add --encoding utf-16-le"
                if every_other
                else "the file is damaged or in another encoding"
            )
            raise FileRefused(self._line_at(block, nul), f"the line contains a NUL byte; {cause}")
        try:
            text = block.decode()
        except UnicodeDecodeError as error:
            line = self._line_at(block, error.start)
            if self._begun:
                raise Undecided(line, NOT_UTF8) from None
            # The header is read all the same, so that one message says everything that must be decided.
            self.not_utf8 = line
            text = block.decode(LIKELY_ENCODING, "replace")
        self._begun = True
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
