"""Write the report of rejected rows: line number and reason, never a value of the row."""

import csv
import os
from pathlib import Path
from typing import IO

MAX_LINES = 100_000
HEAD = "line,reason\n"


class ReportUnwritable(Exception):
    """The report cannot be written; the message names the path."""


class Report:
    """Collect rejected rows, and write them in line order on `close`.

    The file is created with the first rejected row, so that an unwritable path fails early. The report of an
    earlier run is deleted. At most 100,000 rows are held in memory and written.
    """

    def __init__(self, path: Path, source: Path) -> None:
        """Take the path of the report, and the file that is imported.

        Raises ReportUnwritable if `path` is `source` itself or any other file that is not a report.
        """
        self.path = path
        self._file: IO[str] | None = None
        self._rows: list[tuple[int, str]] = []
        self._more = False
        try:
            if path.exists() and path.samefile(source):
                raise ReportUnwritable(f"{path} is the file to import: choose another path with --report.")
            if not _is_replaceable(path):
                raise ReportUnwritable(
                    f"{path} exists and is not a report: choose another path with --report."
                )
            path.unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

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
