"""Read a file of people row by row: count, parse, report bad rows, reject an unusable file."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from portal.people_files.csv_file import CsvFile, FileRefused
from portal.people_files.progress import READING, Progress
from portal.people_files.report import Report
from portal.people_files.rows import RowRefused

PROGRESS_ROWS = 5_000

Parsed = TypeVar("Parsed")


@dataclass
class RowCounts:
    """Counts of rows read; `whole` is False if the last line of the file has no line break."""

    rows: int = 0
    bad_rows: int = 0
    whole: bool = True


def read_rows(
    path: Path,
    columns: tuple[str, ...],
    needed: tuple[str, ...],
    parse: Callable[[tuple[str, ...]], Parsed],
    report: Report,
    counts: RowCounts,
    progress: Progress,
    *,
    must_be_whole: bool = False,
) -> Iterator[tuple[int, Parsed]]:
    """Yield the line number and the parsed form of each usable row; fill `counts` meanwhile.

    `parse` gets the cells in the order of `columns`; rows for which it raises RowRefused go into `report`.

    Raises FileRefused: where a malformed file stops the reading, and at the end for one that is truncated,
    has no usable row, or `must_be_whole` and lacks its last line break. So callers must store nothing before
    the last row was read.
    """
    with path.open("rb", buffering=1 << 20) as opened:
        size = os.fstat(opened.fileno()).st_size
        file = CsvFile(opened, columns, needed)
        line, last_refused = 1, False
        for line, cells in file.rows():
            counts.rows += 1
            if not counts.rows % PROGRESS_ROWS:
                progress(READING, file.bytes_read, size)
            try:
                if cells is None:
                    raise RowRefused("the row has more or fewer fields than the header")
                parsed = parse(cells)
            except RowRefused as error:
                counts.bad_rows += 1
                last_refused = True
                report.add(line, str(error))
                continue
            last_refused = False
            yield line, parsed
        progress(READING, size, size)
    counts.whole = file.whole
    if last_refused and not file.whole:
        raise FileRefused(line, "the file ends in the middle of this row; it is truncated")
    if must_be_whole and not file.whole:
        raise FileRefused(
            line,
            "the last line has no line break, so the file may be cut. If it is complete, end it with one; "
            "or import it without --activate",
        )
    if not counts.rows:
        raise FileRefused(2, "the file has a header but no rows")
    if counts.rows == counts.bad_rows:
        raise FileRefused(line, f"no row of the file is usable. Lines and reasons: {report.path}")
