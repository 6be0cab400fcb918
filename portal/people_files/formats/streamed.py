"""A file of people that lies in no folder, such as an upload: it is read in order, as often as needed."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from portal.people_files.formats.streams import Source


@dataclass(frozen=True)
class Streamed:
    """What `open` returns each time from its beginning; `size` is how many bytes it has.

    `is_sheet`: it holds what `workbook_child` writes of a workbook, not the file itself.
    """

    name: str
    size: int
    open: Callable[[], AbstractContextManager[Source]]
    is_sheet: bool = False


Input = Path | Streamed
