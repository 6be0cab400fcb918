"""How far a command is fits the smallest terminal that is in use."""

import io
import re
from pathlib import Path

import pytest

from portal.people_files import progress
from portal.people_files.progress import ProgressBars

LABELS = re.compile(r'(?:progress_bar\(|^[A-Z]+ = )"([A-Z][a-z]+)"', re.MULTILINE)
PORTAL = Path(progress.__file__).parent.parent


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def labels() -> list[str]:
    files = [Path(progress.__file__), *PORTAL.glob("*/commands.py"), *PORTAL.glob("*/commands/*.py")]
    return sorted({label for file in files for label in LABELS.findall(file.read_text())})


def test_every_label_is_known_here():
    assert {"Reading", "Checking", "Storing", "Removing", "Counting", "Writing"} <= set(labels())


@pytest.mark.parametrize("label", labels())
def test_a_line_fits_44_columns(label):
    terminal = Terminal()
    with ProgressBars(terminal) as bars:
        bars.show(label, 0, 10_000_000)
        bars._bar.start -= 90_000  # begun a day ago: the time left is at its longest
        bars._bar.last_eta = 0
        bars.show(label, 3_000_000, 10_000_000)
        bars.show(label, 10_000_000, 10_000_000)
    lines = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", terminal.getvalue()).replace("\r", "\n").split("\n")
    assert any("100%" in line for line in lines)
    assert max(len(line.rstrip()) for line in lines) <= 44, lines
