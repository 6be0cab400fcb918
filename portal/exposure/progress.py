"""How far an import is, on the terminal."""

from types import TracebackType
from typing import Any, Self

import click

from portal.exposure.importing import READING

_LABELS = {True: "Reading", False: "Storing"}


class Bars:
    """One bar after the other: one for reading, one for storing."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._stage = ""
        self._bar: Any = None
        self._shown = 0

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def show(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` of a stage are done."""
        if stage != self._stage:
            self._end()
            self._stage = stage
            self._bar = click.progressbar(length=max(total, 1), label=_LABELS[stage == READING])
            self._bar.__enter__()
        self._bar.update(done - self._shown)
        self._shown = done

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
        self._bar = None
        self._shown = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it should be."""
        self._end()
