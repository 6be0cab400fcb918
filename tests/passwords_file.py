"""Corpus files, built as an operator builds them. A fixture that folders share."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from portal.blocklists.building import build

Made = Callable[..., Path]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Build a corpus of words, and give its path."""

    def make(*words: str, name: str = "stolen.pwc") -> Path:
        listed = tmp_path / "listed.txt"
        listed.write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
        now = datetime(2026, 11, 28, 12, tzinfo=UTC)
        build([listed], tmp_path / name, kind=None, now=now, show=lambda *_: None)
        listed.unlink()
        return tmp_path / name

    return make
