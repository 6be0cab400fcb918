"""Show the progress of an import on the terminal."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TextIO

import click

READING = "Reading"
CHECKING = "Checking"
STORING = "Storing"
REMOVING = "Removing"
# With a label of 9 letters, the percentage and the time left, a line fits 44 columns.
BAR_COLUMNS = 12

# Called with the stage, the amount done, and the total amount (bytes or rows).
Progress = Callable[[str, int, int], None]


def bar(label: str, length: int, file: TextIO | None = None) -> Any:
    """Return click's progress bar, narrow enough for a small terminal, on standard output by default."""
    return click.progressbar(length=max(length, 1), label=label, width=BAR_COLUMNS, file=file)


class ProgressBars:
    """Progress bars, one per stage; as a context manager it restores the terminal at the end."""

    def __init__(self, file: TextIO | None = None) -> None:
        """Start without a bar."""
        self._file = file
        self._stage = ""
        self._bar: Any = None

    def __enter__(self) -> Self:
        """Return the bars."""
        return self

    def show(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` units of a stage are done; a new stage starts a new bar."""
        if stage != self._stage:
            self.end()
            self._stage = stage
            self._bar = bar(stage, total, self._file)
            self._bar.__enter__()
        self._bar.update(done - self._bar.pos)

    def end(self) -> None:
        """Finish the current bar, so that text can follow."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
        self._bar = None
        self._stage = ""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the current bar."""
        self.end()
