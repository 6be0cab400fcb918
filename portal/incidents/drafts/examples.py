"""What an editor offers to start from: example sentences of a statement, and a text for each phase."""

import tomllib
from functools import cache
from pathlib import Path

from portal.incidents.models import PHASES

FOLDER = Path(__file__).parent / "words"


def sentences(language: str) -> dict[str, str]:
    """Return example sentences by part of a statement, in English where the language has none."""
    return _words(language)["statement"]


def opening(phase: str, language: str) -> tuple[str, str]:
    """Return the title and the text that an update of a phase starts from; both empty for another phase."""
    words = _words(language)
    return (words[phase]["title"], words[phase]["body"]) if phase in PHASES else ("", "")


@cache
def _words(language: str) -> dict[str, dict[str, str]]:
    name = language.partition("-")[0].lower()
    file = FOLDER / f"{name}.toml"
    file = file if name.isalpha() and file.is_file() else FOLDER / "en.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))
