"""Read a file of people row by row: count, parse, report bad rows, refuse a file that is no use."""

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
    """What was read. `whole` is false where the last line of the file has no line break."""

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
) -> Iterator[tuple[int, Parsed]]:
    """Yield the first line and the parsed form of each row that can be used; fill `counts` meanwhile.

    `parse` gets the cells in the order of `columns` and raises RowRefused; such rows go into `report`. Raises
    FileRefused: for a malformed file where reading stops, and at the end for one that is cut off or has not
    one row to use. So store nothing before the last row was read.
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
        raise FileRefused(line, "the file ends in the middle of this row; it is cut off")
    if not counts.rows:
        raise FileRefused(2, "the file has a header and no rows")
    if counts.rows == counts.bad_rows:
        raise FileRefused(line, "not one row of the file can be used; the report says why")
