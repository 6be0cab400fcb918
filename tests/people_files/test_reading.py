"""A file is read to its end, bad rows are counted and reported, and a file that is no use is refused."""

import re
from contextlib import closing

import pytest

from portal.core.i18n import Message
from portal.people_files.formats.refusal import FileRefused
from portal.people_files.reading import RowCounts, read_rows
from portal.people_files.report import Report
from portal.people_files.rows import RowRefused, parse_address


def parse_even(cells: tuple[str, ...]) -> int:
    number = int(parse_address(cells[0]).removesuffix("@example.com"))
    if number % 2:
        raise RowRefused(Message("email: odd"))
    return number


@pytest.fixture
def read(tmp_path):
    """Read a file of numbers, odd ones refused; return the rows, the counts, the progress and the report."""

    def run(content: str):
        file, counts, shown = tmp_path / "numbers.csv", RowCounts(), []
        file.write_text(re.sub("[0-9]+", r"\g<0>@example.com", content).replace("number", "email"))
        with closing(Report(tmp_path / "report.csv", file)) as report:
            rows = list(
                read_rows(
                    file, ("email", "word"), ("email",), parse_even, report, counts,
                    lambda *progress: shown.append(progress),
                )
            )  # fmt: skip
        told = tmp_path / "report.csv"
        return rows, counts, shown, told.read_text().splitlines()[1:] if told.exists() else []

    return run


def test_good_rows_come_with_their_lines_and_bad_ones_are_reported(read):
    content = 'number,word\n2,two\n3,three\n\n"4","fo\nur"\n6,six\n8,eight,eighth\n'
    rows, counts, shown, told = read(content)
    assert rows == [(2, 2), (5, 4), (7, 6)]
    assert (counts.rows, counts.bad_rows, counts.parsed, counts.blank_rows) == (5, 2, 3, 1)
    assert counts.whole
    assert told == ["3,email: odd", "8,the row has more or fewer fields than the header"]
    assert counts.reasons == {"email: odd": 1, "the row has more or fewer fields than the header": 1}
    size = len(content) - 1 + 5 * len("@example.com")
    assert shown == [("Reading", size, size)]


def test_empty_cells_beyond_the_header_are_nothing_and_empty_rows_are_blank_lines(read):
    rows, counts, _, told = read("number,word,\n2,two,,,\n,,\n , \n4,four,\n")
    assert rows == [(2, 2), (5, 4)]
    assert (counts.rows, counts.blank_rows, counts.bad_rows, told) == (2, 2, 0, [])


def test_progress_is_shown_in_bytes_of_the_file(read):
    size = len("email\n") + 10_000 * len("2@example.com\n")
    assert read("number\n" + "2\n" * 10_000)[2] == [("Reading", size, size)] * 3


def test_a_last_line_without_a_line_break_is_read_and_noted(read):
    rows, counts, _, _ = read("number\n2\n4")
    assert rows == [(2, 2), (3, 4)]
    assert not counts.whole


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("number\n", 2, "the file has a header but no rows"),
        ("number\n1\n3\n", 3, "no row of the file is usable (email: odd: 2). Lines and reasons: REPORT"),
        ("number\n2\n3", 3, "the file ends in the middle of this row; it is truncated"),
        ("number,word\n2,two\n4", 3, "the file ends in the middle of this row; it is truncated"),
    ],
)
def test_a_file_that_is_no_use_is_refused_at_its_end(read, tmp_path, content, line, reason):
    with pytest.raises(FileRefused) as refused:
        read(content)
    told = refused.value.reason.replace(str(tmp_path / "report.csv"), "REPORT")
    assert (refused.value.line, told) == (line, reason)
