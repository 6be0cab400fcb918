"""The report of a file of people: which rows to mend, by line and reason, never by what they hold."""

import csv
import os
from pathlib import Path
from typing import IO, Any

MOST = 100_000
HEAD = "line,reason\n"


class ReportUnwritable(Exception):
    """The report cannot be written there; the message names the place."""


class Report:
    """Tells each row that was left out. The file is made when there is one to tell; one of an earlier run goes."""

    def __init__(self, path: Path, source: Path) -> None:
        """Take where to write, and the file that is read. What is there must be a report. Raises ReportUnwritable."""
        self._path = path
        self._file: IO[str] | None = None
        self._rows: Any = None
        self.told = 0
        try:
            if path.exists() and path.samefile(source):
                raise ReportUnwritable(f"{path} is the file itself: say another place with --report.")
            if not _may_go(path):
                raise ReportUnwritable(f"{path} is there and is no report: say another place with --report.")
            path.unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def tell(self, line: int | str, reason: str) -> None:
        """Write one line. Raises ReportUnwritable."""
        if self._file is None:
            self._open()
        self.told += 1
        if self.told <= MOST:
            self._rows.writerow([line, reason])
        elif self.told == MOST + 1:
            self._rows.writerow(["", f"more rows follow; the first {MOST} are told"])

    def close(self) -> None:
        """Finish."""
        if self._file is not None:
            self._file.close()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._file = os.fdopen(os.open(self._path, flags, 0o600), "w", encoding="utf-8", newline="")
        except OSError as error:
            raise self._unwritable(error) from error
        self._file.write(HEAD)
        self._rows = csv.writer(self._file, lineterminator="\n")

    def _unwritable(self, error: OSError) -> ReportUnwritable:
        return ReportUnwritable(
            f"{self._path} cannot be written ({error.strerror}): say another place with --report."
        )


def _may_go(path: Path) -> bool:
    """Tell whether nothing is lost with what lies there: nothing, a link, an empty file or an earlier report."""
    if path.is_symlink() or not path.exists():
        return True
    with path.open("rb") as file:
        return file.read(len(HEAD)) in (b"", HEAD.encode())
