"""Why a whole file is rejected."""


class FileRefused(Exception):
    """The whole file is rejected; `reason` has no final full stop and never quotes a value of a row."""

    def __init__(self, line: int, reason: str) -> None:
        """Store the number of the physical line, or of the workbook's row, counted from 1, and the reason."""
        self.line = line
        self.reason = reason
        super().__init__(f"line {line}: {reason}")


class Undecided(FileRefused):
    """The operator must decide first, by an option that `reason` names; nothing was stored."""


class OptionUnusable(Exception):
    """An option does not fit the file or the command; the message says which, and how to write it."""
