"""Show the progress of an import on the terminal."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import click

READING = "Reading"
STORING = "Storing"

# Called with the stage, the amount done, and the total amount (bytes or rows).
Progress = Callable[[str, int, int], None]


class ProgressBars:
    """Progress bars, one per stage; as a context manager it restores the terminal at the end."""

    def __init__(self) -> None:
        """Start without a bar."""
        self._stage = ""
        self._bar: Any = None

    def __enter__(self) -> Self:
        """Return the bars."""
        return self

    def show(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` units of a stage are done; a new stage starts a new bar."""
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
        """Finish the current bar."""
        self._end()
