"""How far an import is, on the terminal."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import click

READING = "Reading"
STORING = "Storing"

# Gets the stage, how much of it is done, and how much there is to do.
Progress = Callable[[str, int, int], None]


class ProgressBars:
    """One bar after the other, a stage each; a context manager that leaves the terminal as it should be."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._stage = ""
        self._bar: Any = None

    def __enter__(self) -> Self:
        """Return the bars."""
        return self

    def show(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` of a stage are done."""
        if stage != self._stage:
            self._end()
            self._stage = stage
            self._bar = click.progressbar(length=max(total, 1), label=stage)
            self._bar.__enter__()
        self._bar.update(done - self._bar.pos)

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
        self._bar = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the bar that is shown."""
        self._end()
