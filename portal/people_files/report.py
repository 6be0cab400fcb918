"""Write the report of rejected rows: line number and reason, never a value of the row."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from portal.people_files.formats.streamed import Input

MAX_LINES = 100_000
HEAD = "line,reason\n"


class ReportUnwritable(Exception):
    """The report cannot be written; the message names the path."""


class RowReport(Protocol):
    """What takes the rejected rows of a file; `where` is the sentence that says where they are listed."""

    @property
    def where(self) -> str:
        """Where the lines and reasons are listed."""

    def add(self, line: int, reason: str) -> None:
        """Add a rejected row."""

    def close(self) -> None:
        """End the report."""


class LineReport:
    """Keep the lines of rejected rows by reason in memory, for a file that lies in no folder.

    At most 100,000 lines are kept; `more` says whether there were others.
    """

    where = "Lines and reasons are listed below"

    def __init__(self) -> None:
        """Start empty."""
        self.lines: dict[str, list[int]] = {}
        self.more = False
        self._count = 0

    def add(self, line: int, reason: str) -> None:
        """Add a rejected row by the number of its first line, counted from 1."""
        if self._count >= MAX_LINES:
            self.more = True
            return
        self._count += 1
        self.lines.setdefault(reason, []).append(line)

    def close(self) -> None:
        """Do nothing: there is no file."""

    def pages(self, size: int) -> Iterator[tuple[str, list[int]]]:
        """Yield (reason, lines), at most `size` lines at a time, in the order of the first of each reason."""
        for reason, lines in self.lines.items():
            for start in range(0, len(lines), size):
                yield reason, lines[start : start + size]


class Report:
    """Collect rejected rows, and write them in line order on `close`.

    The file is created with the first rejected row, so that an unwritable path fails early. The report of an
    earlier run is deleted. At most 100,000 rows are held in memory and written.
    """

    def __init__(self, path: Path, source: Input) -> None:
        """Take the path of the report, and the file that is imported.

        Raises ReportUnwritable if `path` is `source` itself or any other file that is not a report.
        """
        self.path = path
        self._file: IO[str] | None = None
        self._rows: list[tuple[int, str]] = []
        self._more = False
        try:
            if isinstance(source, Path) and path.exists() and path.samefile(source):
                raise ReportUnwritable(f"{path} is the file to import: choose another path with --report.")
            if not _is_replaceable(path):
                raise ReportUnwritable(
                    f"{path} exists and is not a report: choose another path with --report."
                )
            path.unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    @property
    def where(self) -> str:
        """Where the lines and reasons are listed."""
        return f"Lines and reasons: {self.path}"

    def add(self, line: int, reason: str) -> None:
        """Add a rejected row by the number of its first line, counted from 1. Raises ReportUnwritable."""
        if self._file is None:
            self._file = self._open()
        if len(self._rows) < MAX_LINES:
            self._rows.append((line, reason))
        else:
            self._more = True

    def close(self) -> None:
        """Write the report. Raises OSError if the disk is full."""
        if self._file is None:
            return
        with self._file as file:
            file.write(HEAD)
            rows = csv.writer(file, lineterminator="\n")
            rows.writerows(sorted(self._rows))
            if self._more:
                rows.writerow(["", f"more rows were rejected; only the first {MAX_LINES} are listed"])

    def _open(self) -> IO[str]:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.fdopen(os.open(self.path, flags, 0o600), "w", encoding="utf-8", newline="")
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> ReportUnwritable:
        return ReportUnwritable(
            f"{self.path} cannot be written ({error.strerror}): choose another path with --report."
        )


def _is_replaceable(path: Path) -> bool:
    """Return whether `path` is free, a symbolic link, an empty file or an earlier report."""
    if path.is_symlink() or not path.exists():
        return True
    with path.open("rb") as file:
        return file.read(len(HEAD)) in (b"", HEAD.encode())
