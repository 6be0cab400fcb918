"""Read an XLSX workbook through a child process, which alone opens it."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import IO, Any, Self, cast

from portal.core.one_line import shown
from portal.people_files.formats.refusal import FileRefused, Undecided
from portal.people_files.formats.sheet_cells import MAX_MEMORY
from portal.people_files.formats.streams import Source

_CHILD = "portal.people_files.formats.workbook_child"
# A line holds 500 rows at most, and a row of a file that was sent 65,536 characters.
MAX_LINE = 256 << 20


@dataclass(frozen=True)
class Limits:
    """What the child may take: bytes of memory, and cells of the sheet, 0 for as many as fit there."""

    memory: int = MAX_MEMORY
    cells: int = 0


USUAL = Limits()


class SheetRows:
    """The rows of one sheet, as lines of JSON that the child process wrote; read once.

    Has the attributes of Delimited. Lines are the numbers of the sheet's rows.
    """

    whole = True
    plain = False
    not_utf8: int | None = None

    def __init__(self, line: Callable[[], bytes], sheet: str = "") -> None:
        """Read the header; `line` returns the next line, `sheet` is the one that was asked for.

        Raises FileRefused, and Undecided where there are several sheets.
        """
        self._line = line
        self._done = 0
        self.blank_rows = 0
        self.hidden_rows = 0
        about = self._answer()
        if "sheets" in about:
            raise Undecided(1, which_sheet(about["sheets"], sheet))
        self.sheet, self.total = str(about["sheet"]), int(about["rows"])
        self._rows = self._filled_rows()
        self.header_line, self.header = next(self._rows, (1, []))
        self.blank_rows = 0

    @classmethod
    def of_stream(cls, source: Source) -> "SheetRows":
        """Return the rows of lines that were stored. Raises FileRefused."""
        lines = _lines(source)
        return cls(lambda: lines.readline(MAX_LINE))

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
        line = self._line()
        if not line.endswith(b"\n"):
            raise FileRefused(self._done + 1, f"the workbook cannot be read: {self._cause_of_death()}")
        answer = json.loads(line)
        if "refused" in answer:
            raise FileRefused(self._done + 1, f"the workbook cannot be read: {answer['refused']}")
        return answer

    def _cause_of_death(self) -> str:
        return "its end is missing"


class Workbook(SheetRows):
    """One sheet of a workbook's file; as a context manager it ends the child process."""

    def __init__(self, path: Path, sheet: str) -> None:
        """Start the child, and read the header of the sheet, or of the only one with content.

        Raises FileRefused, and Undecided where there are several sheets.
        """
        self._child = start_child(str(path.absolute()), sheet)
        answers = cast("IO[bytes]", self._child.stdout)
        try:
            super().__init__(answers.readline, sheet)
        except BaseException:
            self.close()
            raise

    def _cause_of_death(self) -> str:
        return cause_of_death(self._child.wait(), USUAL)

    def __enter__(self) -> Self:
        """Return the workbook."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the child process."""
        self.close()

    def close(self) -> None:
        """End the child process."""
        end_child(self._child)


def start_child(
    path: str, sheet: str, limits: Limits = USUAL, descriptors: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    """Start the process that reads a workbook and writes lines of JSON; it inherits these descriptors."""
    command = [sys.executable, "-I", "-m", _CHILD, path, sheet, str(limits.memory), str(limits.cells)]
    return subprocess.Popen(  # noqa: S603 - our own module; the environment may hold secrets
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        pass_fds=descriptors,
    )


def end_child(child: "subprocess.Popen[bytes]") -> None:
    """End a child, whatever it does."""
    child.kill()
    child.wait()
    cast("IO[bytes]", child.stdout).close()


def cause_of_death(status: int, limits: Limits) -> str:
    """Return why a child ended before its last line."""
    if status == -signal.SIGXCPU:
        return "it takes too long. Save the sheet as CSV"
    if status in (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGKILL):
        return f"it needs more than {limits.memory >> 20} MB of memory. Save the sheet as CSV"
    return "the process that reads it ended early. Save the sheet as CSV"


def rows_said(source: Source) -> int:
    """Return how many rows stored lines say that the sheet has; 0 where they say nothing."""
    line = _lines(source).readline(MAX_LINE)
    try:
        return int(json.loads(line)["rows"])
    except (ValueError, KeyError, TypeError):
        return 0


class _Raw(RawIOBase):
    """A source as Python's buffered readers want it."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        chunk = self._source.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _lines(source: Source) -> BufferedReader:
    return BufferedReader(_Raw(source), 1 << 16)


def which_sheet(sheets: list[str], wanted: str) -> str:
    """Return which sheet must be chosen."""
    names = ", ".join(f"'{shown(name)}'" for name in sheets)
    if wanted:
        return f"the workbook has no sheet '{wanted}'. Its sheets: {names}"
    return f"the workbook has several sheets. Choose one with --sheet: {names}"
