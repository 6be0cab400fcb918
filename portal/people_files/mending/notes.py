"""Count what was mended while a file is read."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

SHOWN_LINES = 3


@dataclass
class Notes:
    """What was mended, with counts of rows, and the first lines of each."""

    counts: Counter[str] = field(default_factory=Counter)
    lines: dict[str, list[int]] = field(default_factory=dict)

    def add(self, notes: Sequence[str], line: int) -> None:
        """Count what was mended in one row."""
        for note in dict.fromkeys(notes):
            self.counts[note] += 1
            first = self.lines.setdefault(note, [])
            if len(first) < SHOWN_LINES:
                first.append(line)
