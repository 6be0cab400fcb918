"""Why a whole file is rejected."""

from typing import Any

# No row of the file can be used; a row of people to leave out cannot be read. What was read says why.
NO_ROW = "rows"
PEOPLE_UNREAD = "unread"


class FileRefused(Exception):
    """The whole file is rejected; `reason` has no final full stop and never quotes a value of a row.

    `counts` are the RowCounts of what was read until then, if the header was; `code` is empty or one of those
    above.
    """

    def __init__(self, line: int, reason: str, *, code: str = "") -> None:
        """Store the number of the physical line, or of the workbook's row, counted from 1, and the reason."""
        self.line = line
        self.reason = reason
        self.code = code
        self.counts: Any = None
        super().__init__(f"line {line}: {reason}")


class Undecided(FileRefused):
    """The operator must decide first, by an option that `reason` names; nothing was stored."""


class OptionUnusable(Exception):
    """An option does not fit the file or the command; the message says which, and how to write it."""
