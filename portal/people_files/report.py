"""The report of a file of people: which rows were left out, by line and reason, never by what they hold."""

import csv
import os
from pathlib import Path
from typing import IO

MAX_LINES = 100_000
HEAD = "line,reason\n"


class ReportUnwritable(Exception):
    """The report cannot be written there; the message names the place."""


class Report:
    """Collects the rows that were left out, and writes them in the order of their lines when it is closed.

    The file is made when there is a first row to report, so that a place that cannot be written is known
    early. A report of an earlier run is removed. At most 100,000 rows are kept, in memory too.
    """

    def __init__(self, path: Path, source: Path) -> None:
        """Take where to write, and the file that is read.

        Raises ReportUnwritable where something lies there that is no report, `source` above all.
        """
        self._path = path
        self._file: IO[str] | None = None
        self._rows: list[tuple[int, str]] = []
        self._more = False
        try:
            if path.exists() and path.samefile(source):
                raise ReportUnwritable(f"{path} is the file itself: say another place with --report.")
            if not _may_go(path):
                raise ReportUnwritable(f"{path} is there and is no report: say another place with --report.")
            path.unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def add(self, line: int, reason: str) -> None:
        """Report one row by its first line, from 1. Raises ReportUnwritable."""
        if self._file is None:
            self._file = self._open()
        if len(self._rows) < MAX_LINES:
            self._rows.append((line, reason))
        else:
            self._more = True

    def close(self) -> None:
        """Write the rows. Raises OSError where the disk is full."""
        if self._file is None:
            return
        with self._file as file:
            file.write(HEAD)
            rows = csv.writer(file, lineterminator="\n")
            rows.writerows(sorted(self._rows))
            if self._more:
                rows.writerow(["", f"more rows follow; the first {MAX_LINES} are told"])

    def _open(self) -> IO[str]:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.fdopen(os.open(self._path, flags, 0o600), "w", encoding="utf-8", newline="")
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> ReportUnwritable:
        return ReportUnwritable(
            f"{self._path} cannot be written ({error.strerror}): say another place with --report."
        )


def _may_go(path: Path) -> bool:
    """Return whether only a link, an empty file or an earlier report lies there, or nothing."""
    if path.is_symlink() or not path.exists():
        return True
    with path.open("rb") as file:
        return file.read(len(HEAD)) in (b"", HEAD.encode())
