"""Corpus files, and a look into them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from portal.blocklists.corpus import Corpus
from tests.passwords_file import made

__all__ = ["made"]


@pytest.fixture
def holds() -> Callable[[Path, str], bool]:
    """Look one password up in a file that is opened for it."""

    def look(path: Path, password: str) -> bool:
        return Corpus(path).holds(password)

    return look
