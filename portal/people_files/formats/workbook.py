"""Read an XLSX workbook through a child process, which alone opens it."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Self, cast

from portal.core.terminal import shown
from portal.people_files.formats.refusal import FileRefused, Undecided
from portal.people_files.formats.sheet_cells import MAX_MEMORY

_CHILD = "portal.people_files.formats.workbook_child"


class Workbook:
    """One sheet of a workbook, read once; as a context manager it ends the child process.

    Has the attributes of Delimited. Lines are the numbers of the sheet's rows.
    """

    whole = True
    plain = False
    not_utf8: int | None = None

    def __init__(self, path: Path, sheet: str) -> None:
        """Start the child, and read the header of the sheet, or of the only one with content.

        Raises FileRefused, and Undecided where there are several sheets.
        """
        self._done = 0
        self.blank_rows = 0
        self.hidden_rows = 0
        command = [sys.executable, "-I", "-m", _CHILD, str(path.absolute()), sheet]
        self._child = subprocess.Popen(  # noqa: S603 - our own module; the environment may hold secrets
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}
        )
        self._answers = cast("IO[bytes]", self._child.stdout)
        try:
            about = self._answer()
            if "sheets" in about:
                raise Undecided(1, _which(about["sheets"], sheet))
            self.sheet, self.total = str(about["sheet"]), int(about["rows"])
            self._rows = self._filled_rows()
            self.header_line, self.header = next(self._rows, (1, []))
            self.blank_rows = 0
        except BaseException:
            self.close()
            raise

    @property
    def description(self) -> str:
        """What the file is, for a preview."""
        return f"XLSX workbook, sheet '{shown(self.sheet)}'"

    @property
    def rows_read(self) -> int:
        """How many rows of the sheet were read so far."""
        return self._done

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield each row that is not blank with its number, counted from 1. Raises FileRefused."""
        return self._rows

    def _filled_rows(self) -> Iterator[tuple[int, list[str]]]:
        while isinstance(answer := self._answer(), list):
            for number, cells in answer:
                self._done = number
                if any(cells):
                    yield number, cells
                else:
                    self.blank_rows += 1
        self.hidden_rows = int(answer["hidden"])

    def _answer(self) -> Any:
        """Return the next line of the child. Raises FileRefused where it says so, or has died."""
        line = self._answers.readline()
        if not line.endswith(b"\n"):
            raise FileRefused(self._done + 1, self._cause_of_death())
        answer = json.loads(line)
        if "refused" in answer:
            raise FileRefused(self._done + 1, f"the workbook cannot be read: {answer['refused']}")
        return answer

    def _cause_of_death(self) -> str:
        status = self._child.wait()
        cause = "the process that reads it ended early. Save the sheet as CSV"
        if status == -signal.SIGXCPU:
            cause = "it takes too long. Save the sheet as CSV"
        elif status in (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGKILL):
            memory = MAX_MEMORY >> 20
            cause = f"it needs more than {memory} MB of memory. Save the sheet as CSV"
        return f"the workbook cannot be read: {cause}"

    def __enter__(self) -> Self:
        """Return the workbook."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the child process."""
        self.close()

    def close(self) -> None:
        """End the child process."""
        self._child.kill()
        self._child.wait()
        self._answers.close()


def _which(sheets: list[str], wanted: str) -> str:
    names = ", ".join(f"'{shown(name)}'" for name in sheets)
    if wanted:
        return f"the workbook has no sheet '{wanted}'. Its sheets: {names}"
    return f"the workbook has several sheets. Choose one with --sheet: {names}"
