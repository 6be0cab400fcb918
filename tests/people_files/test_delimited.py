"""A damaged file of any size is refused at once, by line, in bounded memory."""

import resource
import sys
from io import BytesIO
from pathlib import Path

import pytest

from portal.people_files.formats.delimited import Delimited
from portal.people_files.formats.refusal import FileRefused

KNOWN = {"email", "name"}.__contains__


class Endless(BytesIO):
    """A file whose one line never ends, as a stream: a gigabyte of it is on no disk."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0

    def read(self, most: int | None = -1) -> bytes:
        assert most is not None
        self.given += most
        return b"x" * most


def test_a_line_of_a_gigabyte_is_refused_after_its_first_block():
    endless = Endless()
    with pytest.raises(FileRefused, match="line 1: the line is longer"):
        list(Delimited(endless, KNOWN).rows())
    assert endless.given <= 8 * 65_536


def test_a_line_of_100_megabytes_is_refused_after_its_first_block_and_in_little_memory(tmp_path):
    with (tmp_path / "huge.csv").open("wb") as file:
        file.write(b"email,name\nann@northwind.example,Ann\nbob@northwind.example,")
        for _ in range(100):
            file.write(b"B" * 1_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (tmp_path / "huge.csv").open("rb") as file:
        with pytest.raises(FileRefused) as refused:
            list(Delimited(file, KNOWN).rows())
        assert file.tell() < 2_000_000
    assert refused.value.line == 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000, sys.platform


def test_an_unclosed_quote_does_not_swallow_the_file(tmp_path: Path):
    file = tmp_path / "quote.csv"
    file.write_text('email,name\nann@northwind.example,"Ann\n' + "bob@northwind.example,Bob\n" * 50_000)
    with file.open("rb") as opened, pytest.raises(FileRefused) as refused:
        list(Delimited(opened, KNOWN).rows())
    assert refused.value.line == 2
    assert opened.closed
