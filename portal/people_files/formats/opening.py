"""Open a file of people in whatever format it is: the first bytes say which."""

import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from portal.people_files.formats.delimited import Delimited
from portal.people_files.formats.refusal import FileRefused, OptionUnusable
from portal.people_files.formats.streamed import Input, Streamed
from portal.people_files.formats.streams import Gunzip, Source, Stream, Transcoder, checked
from portal.people_files.formats.workbook import SheetRows, Workbook, rows_said

Table = Delimited | SheetRows
Position = Callable[[], tuple[int, int]]

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0"
_UTF8 = b"\xef\xbb\xbf"
# The longer marks first: one begins with another.
_MARKS = (
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_BLOCK = 1 << 20
_ROWS_OF_A_SHEET = 1 << 20
_BYTES_OF_A_ROW = 60  # at least, in the XML of a sheet


@contextmanager
def open_table(
    path: Input, recognises: Callable[[str], bool], *, encoding: str = "", sheet: str = ""
) -> Iterator[tuple[Table, Position]]:
    """Open a file and read its header; yield the table, and a function of how far it is read, of what total.

    `recognises` says whether a header names a column. Raises FileRefused, Undecided, OptionUnusable.
    """
    if isinstance(path, Streamed):
        with path.open() as source:
            yield _streamed_table(path, Stream(source), recognises, encoding)
        return
    with path.open("rb", buffering=_BLOCK) as opened:
        about = os.fstat(opened.fileno())
        file = Stream(opened)
        if file.peek(4) == _ZIP:
            if not stat.S_ISREG(about.st_mode):
                raise FileRefused(1, "a workbook cannot be read from a pipe. Save it as a file")
            if encoding:
                raise OptionUnusable("--encoding is for text; this file is a workbook, which says its own.")
            with Workbook(path, sheet) as workbook:
                yield workbook, lambda: (workbook.rows_read, workbook.total)
            return
        if sheet:
            raise OptionUnusable("--sheet is for workbooks (XLSX), and this file is none.")
        text, name = _decoded(_expanded(file), encoding)
        yield Delimited(text, recognises, name), lambda: (file.bytes_read, about.st_size)


def _streamed_table(
    file: Streamed, stream: Stream, recognises: Callable[[str], bool], encoding: str
) -> tuple[Table, Position]:
    if file.is_sheet:
        if encoding:
            raise OptionUnusable("A workbook says its own encoding: leave the encoding out.")
        rows = SheetRows.of_stream(stream)
        return rows, lambda: (rows.rows_read, rows.total)
    if stream.peek(4) == _ZIP:
        raise FileRefused(1, "the file is a zip archive or a workbook, and was sent as text")
    text, name = _decoded(_expanded(stream), encoding)
    return Delimited(text, recognises, name), lambda: (stream.bytes_read, file.size)


def _expanded(file: Stream) -> Stream:
    expanded = Stream(Gunzip(file)) if file.peek(2) == _GZIP else file
    head = expanded.peek(4)
    if head == _ZIP:
        raise FileRefused(1, "the gzip file holds a workbook. Decompress it first: gunzip FILE")
    if head == _OLE:
        raise FileRefused(
            1, "the file is an old workbook (XLS), or one with a password. Save it as XLSX without a password"
        )
    return expanded


def _decoded(file: Stream, encoding: str) -> tuple[Source, str]:
    """Return the text as UTF-8, and the name of its encoding, empty for UTF-8."""
    named = checked(encoding) if encoding else ""
    head = file.peek(4)
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), "")
    if head.startswith(_UTF8):
        marked = "utf-8"
        file.skip(len(_UTF8))
    if marked and named and not named.startswith(marked):
        raise OptionUnusable(
            f"The file starts with the mark of {marked.upper()}, so it is not in {named}. "
            "Leave out --encoding."
        )
    found = marked or named
    if found in ("", "utf-8", "ascii"):
        return file, ""
    return Transcoder(file, found), found.upper() if marked else found


def rows_at_most(path: Input) -> int:
    """Return how many rows a file has at most; 0 for a pipe, which can be read only once.

    Takes a second per gigabyte. Raises FileRefused for a damaged gzip file.
    """
    if isinstance(path, Streamed):
        with path.open() as source:
            stream = Stream(source)
            return rows_said(stream) if path.is_sheet else _lines_of(stream)
    with path.open("rb", buffering=0) as opened:
        about = os.fstat(opened.fileno())
        if not stat.S_ISREG(about.st_mode):
            return 0
        file = Stream(opened)
        if file.peek(4) == _ZIP:
            return _rows_of_a_workbook(path)
        return _lines_of(file)


def _lines_of(file: Stream) -> int:
    text: Stream | Gunzip = Gunzip(file) if file.peek(2) == _GZIP else file
    lines = 0
    while block := text.read(_BLOCK):
        lines += block.count(b"\n")
    return lines


def _rows_of_a_workbook(path: Path) -> int:
    try:
        with zipfile.ZipFile(path) as archive:
            sheets = [part.file_size for part in archive.infolist() if "/worksheets/" in part.filename]
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return 0  # it is refused with a reason when it is read
    return min(max(sheets, default=0) // _BYTES_OF_A_ROW, _ROWS_OF_A_SHEET)
