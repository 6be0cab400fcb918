"""Read a file of people row by row: count, mend, parse, report bad rows, reject an unusable file."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, repeat
from typing import TypeVar

from portal.core.addresses import AddressInvalid, mask, normalise
from portal.core.i18n import Message
from portal.people_files import headers
from portal.people_files.formats.delimited import LIKELY_ENCODING, NOT_UTF8
from portal.people_files.formats.opening import Table, open_table
from portal.people_files.formats.refusal import NO_ROW, FileRefused, Undecided
from portal.people_files.formats.streamed import Input
from portal.people_files.headers import Layout, Pick
from portal.people_files.mending.notes import Notes
from portal.people_files.mending.row import looks_odd, mend
from portal.people_files.progress import READING, Progress
from portal.people_files.report import RowReport
from portal.people_files.rows import RowRefused, UnknownWords

PROGRESS_ROWS = 5_000
SAMPLES = 3
# As many unknown words can be given a meaning.
MOST_UNKNOWN = 40

_NUMBER = re.compile(r"(?:[A-Za-z]{1,2}[ -]?)?[0-9][0-9 ./:-]{1,18}")
_DIGIT = re.compile(r"[0-9]")
_TELLING = re.compile(r"[^\x00-\x7f]{1,2}")
_LONG_WORD = 4

Parsed = TypeVar("Parsed")
Sample = tuple[str, ...]


@dataclass
class RowCounts:
    """What was read of a file.

    `rows` are those that are not blank. `parsed` counts what became of the good ones: more where a cell held
    several addresses. `whole` is False if the last line of the file has no line break. `samples` are the
    first rows, masked, with a cell for each column of the file. `unknown` counts the rejected rows by each of
    the first 40 words that were not understood.
    """

    rows: int = 0
    bad_rows: int = 0
    whole: bool = True
    parsed: int = 0
    blank_rows: int = 0
    hidden_rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    notes: Notes = field(default_factory=Notes)
    description: str = ""
    layout: Layout = field(default_factory=lambda: Layout((), ()))
    guessed: bool = False
    samples: list[Sample] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)

    @property
    def needs_preview(self) -> bool:
        """Whether something was guessed, mapped or mended."""
        return self.guessed or bool(self.notes.counts)


class ColumnsUndecided(Undecided):
    """The header has columns of which nobody said what they are; `counts` holds what a preview shows.

    `encoding` is the one to suggest for a file that is not UTF-8, or empty.
    """

    def __init__(
        self, line: int, reason: str, counts: RowCounts, needed: Sequence[str], encoding: str
    ) -> None:
        """Take the line and reason of FileRefused, what was read, and the columns that a file must have."""
        super().__init__(line, reason)
        self.counts = counts
        self.needed = tuple(needed)
        self.encoding = encoding


def _agree(counts: RowCounts) -> None:
    """Ask nobody."""


@dataclass(frozen=True)
class ReadOptions:
    """How to read a file; `confirm` is called after the last row, and raises if the operator disagrees.

    `mapped` are pairs of a header and the column that it is; `ignored` are headers that are left out.
    """

    encoding: str = ""
    sheet: str = ""
    mapped: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()
    confirm: Callable[[RowCounts], None] = _agree


PLAIN = ReadOptions()


def read_rows(
    path: Input,
    columns: tuple[str, ...],
    needed: tuple[str, ...],
    parse: Callable[[tuple[str, ...]], Parsed],
    report: RowReport,
    counts: RowCounts,
    progress: Progress,
    *,
    options: ReadOptions = PLAIN,
    several: bool = True,
    must_be_whole: bool = False,
) -> Iterator[tuple[int, Parsed]]:
    """Yield the line number and the parsed form of each usable row; fill `counts` meanwhile.

    `parse` gets the cells in the order of `columns`; rows for which it raises RowRefused are mended and
    parsed again, and go into `report` if that does not help. With `several`, a row with several addresses
    is yielded once for each.

    Raises FileRefused: Undecided where an option is needed; where a malformed file stops the reading; and at
    the end for one that is truncated, has no usable row, or `must_be_whole` and lacks its last line break. At
    the end, calls `options.confirm`. So callers must store nothing before the last row was read.
    """
    try:
        yield from _rows(
            path,
            columns,
            needed,
            parse,
            report,
            counts,
            progress,
            options=options,
            several=several,
            must_be_whole=must_be_whole,
        )
    except FileRefused as error:
        if error.counts is None and counts.layout.columns:
            if isinstance(error, Undecided):  # a line further down that is not UTF-8
                raise ColumnsUndecided(error.line, error.reason, counts, (), LIKELY_ENCODING) from None
            error.counts = counts
        raise
    options.confirm(counts)


def _rows(
    path: Input,
    columns: tuple[str, ...],
    needed: tuple[str, ...],
    parse: Callable[[tuple[str, ...]], Parsed],
    report: RowReport,
    counts: RowCounts,
    progress: Progress,
    *,
    options: ReadOptions,
    several: bool,
    must_be_whole: bool,
) -> Iterator[tuple[int, Parsed]]:
    recognises = headers.recognised(columns)
    with open_table(path, recognises, encoding=options.encoding, sheet=options.sheet) as (table, position):
        reader = _Reader(table, columns, report, counts, several=several)
        reader.read_header(options, needed)
        # Most rows have as many cells as the header: their way is short.
        width, pick = reader.plain_width, reader.pick
        for line, row in table.rows():
            reader.line = line
            counts.rows += 1
            if not counts.rows % PROGRESS_ROWS:
                progress(READING, *position())
            if len(row) == width and counts.rows > SAMPLES:
                row.append("")
                cells = pick(row)
            elif (picked := reader.cells(row)) is not None:
                cells = picked
            else:
                continue
            if not looks_odd(cells):
                try:
                    parsed = parse(cells)
                except RowRefused:
                    pass
                else:
                    counts.parsed += 1
                    yield line, parsed
                    continue
            for again in reader.mended(row, cells, parse):
                yield line, again
        total = position()[1]
        progress(READING, total, total)
    reader.finish(must_be_whole=must_be_whole)


class _Reader:
    """The rows of one table; `line` is that of the current one.

    `plain_width` is the number of cells of a row that only needs `pick`, or -1.
    """

    def __init__(
        self, table: Table, columns: tuple[str, ...], report: RowReport, counts: RowCounts, *, several: bool
    ) -> None:
        self._table = table
        self._columns = columns
        self._report = report
        self._counts = counts
        self._several = several
        self._refused_at = 0
        self._width = 0
        self._unnamed: tuple[int, ...] = ()
        self._spelled: dict[str, str] = {}  # unknown words as they came first
        self.line = 1
        self.plain_width = -1
        self.pick: Pick = tuple

    def read_header(self, options: ReadOptions, needed: tuple[str, ...]) -> None:
        """Decide what becomes of each column. Raises FileRefused, OptionUnusable."""
        table, counts = self._table, self._counts
        layout = headers.match(table.header, self._columns, options.mapped, options.ignored)
        counts.layout, counts.description = layout, table.description
        counts.guessed = not (table.plain and layout.exact) or bool(options.encoding)
        missing = layout.missing(needed)
        if table.not_utf8 is not None:
            self._add_samples()  # by the likely encoding
            raise ColumnsUndecided(table.not_utf8, NOT_UTF8, counts, missing, LIKELY_ENCODING)
        if layout.undecided:
            names = ", ".join(
                f"'{column.shown}'" if column.shown == column.header else f"number {column.number}"
                for column in layout.undecided
            )
            reason = f"unknown column {names}. Say what each is with --map, or leave it out with --ignore"
            self._add_samples()
            raise ColumnsUndecided(table.header_line, reason, counts, missing, "")
        if missing:
            raise FileRefused(table.header_line, f"the column '{missing[0]}' is missing")
        self.pick = layout.pick()
        self._width = len(layout.columns)
        self._unnamed = layout.unnamed
        self.plain_width = -1 if self._unnamed else self._width
        self.line = table.header_line

    def _add_samples(self) -> None:
        """Read the first rows only to show them."""
        counts = self._counts
        width = len(counts.layout.columns)
        for _, row in islice(self._table.rows(), SAMPLES):
            counts.samples.append(tuple(map(_masked, [*row, *repeat("", width)][:width])))

    def cells(self, row: list[str]) -> tuple[str, ...] | None:
        """Return the wanted cells of a row, or None where it is blank or rejected. Raises FileRefused."""
        if len(row) != self._width and not self._fit(row):
            return None
        for at in self._unnamed:
            if row[at].strip():
                raise FileRefused(
                    self.line,
                    f"column {at + 1} has no name in the header, and holds something here. Name it in the "
                    f"file, or leave it out with --ignore 'column {at + 1}'",
                )
        row.append("")
        cells = self.pick(row)
        if len(self._counts.samples) < SAMPLES and any(cells):
            self._counts.samples.append(tuple(_masked(cell) for cell in row[:-1]))
        return cells

    def _fit(self, row: list[str]) -> bool:
        """Cut empty cells beyond the header; return False for a blank or bad row."""
        if not any(cell.strip() for cell in row):
            self._count_blank()
        elif len(row) > self._width and not any(cell.strip() for cell in row[self._width :]):
            del row[self._width :]
            return True
        else:
            self._reject(Message("the row has more or fewer fields than the header"))
        return False

    def mended(
        self,
        row: list[str],
        cells: tuple[str, ...],
        parse: Callable[[tuple[str, ...]], Parsed],
    ) -> list[Parsed]:
        """Return what became of a row that needs mending: nothing if it is blank or rejected."""
        if not any(cell.strip() for cell in row):
            self._count_blank()
            return []
        try:
            again, notes = mend(self._columns, cells, several=self._several)
            parsed = [parse(each) for each in again]
        except RowRefused as error:
            self._reject(error.reason)
            if isinstance(error, UnknownWords):
                self._count_unknown(error.words)
            return []
        self._counts.notes.add(notes, self.line)
        self._counts.parsed += len(parsed)
        return parsed

    def _count_blank(self) -> None:
        self._counts.rows -= 1
        self._counts.blank_rows += 1

    def _reject(self, reason: Message) -> None:
        self._counts.bad_rows += 1
        self._counts.reasons[reason] += 1
        self._refused_at = self.line
        self._report.add(self.line, reason)

    def _count_unknown(self, words: Sequence[str]) -> None:
        unknown = self._counts.unknown
        for word in words:
            spelled = self._spelled.setdefault(word.casefold(), word)
            if spelled in unknown or len(unknown) < MOST_UNKNOWN:
                unknown[spelled] += 1
            else:
                del self._spelled[word.casefold()]

    def finish(self, *, must_be_whole: bool) -> None:
        """Raise FileRefused if the file is truncated or no use."""
        counts, table = self._counts, self._table
        counts.whole = table.whole
        counts.blank_rows += table.blank_rows
        counts.hidden_rows = table.hidden_rows
        if self._refused_at == self.line and not table.whole:
            raise FileRefused(self.line, "the file ends in the middle of this row; it is truncated")
        if must_be_whole and not table.whole:
            raise FileRefused(
                self.line,
                "the last line has no line break, so the file may be cut. If it is complete, end it with "
                "one; or import it without --activate",
            )
        if not counts.rows:
            raise FileRefused(table.header_line + 1, "the file has a header but no rows")
        if counts.rows == counts.bad_rows:
            because = "; ".join(f"{reason}: {rows}" for reason, rows in counts.reasons.most_common(SAMPLES))
            reason = f"no row of the file is usable ({because}). {self._report.where}"
            raise FileRefused(self.line, reason, code=NO_ROW)


def _masked(cell: str) -> str:
    """Return a cell as a preview may show it: the masked address, the form of a number, the first letter.

    Two more letters that a wrong encoding would spoil stay with a plain first one: by `Mü…` a reader sees
    whether it is right. A name that has no plain letters would show too much of itself.
    """
    text = cell.strip()
    if "@" in text:
        try:
            return mask(normalise(text))
        except AddressInvalid:
            return "…@…"
    if _NUMBER.fullmatch(text):  # a date, a customer number: what it is shows without a digit of it
        return _DIGIT.sub("#", text)
    telling = _TELLING.search(text, 1)
    if telling is None or not text[0].isascii() or len(text) < _LONG_WORD:
        return f"{text[:1]}…" if text else ""
    return f"{text[0]}{'…' if telling.start() > 1 else ''}{telling[0]}…"
