"""A file is read to its end, bad rows are counted and reported, and a file that is no use is refused."""

from contextlib import closing

import pytest

from portal.people_files.csv_file import FileRefused
from portal.people_files.reading import RowCounts, read_rows
from portal.people_files.report import Report
from portal.people_files.rows import RowRefused


def parse_even(cells: tuple[str, ...]) -> int:
    number = int(cells[0])
    if number % 2:
        raise RowRefused("number: odd")
    return number


@pytest.fixture
def read(tmp_path):
    """Read a file of numbers, odd ones refused; return the rows, the counts, the progress and the report."""

    def run(content: str):
        file, counts, shown = tmp_path / "numbers.csv", RowCounts(), []
        file.write_text(content)
        with closing(Report(tmp_path / "report.csv", file)) as report:
            rows = list(
                read_rows(
                    file, ("number", "word"), ("number",), parse_even, report, counts,
                    lambda *progress: shown.append(progress),
                )
            )  # fmt: skip
        told = tmp_path / "report.csv"
        return rows, counts, shown, told.read_text().splitlines()[1:] if told.exists() else []

    return run


def test_good_rows_come_with_their_lines_and_bad_ones_are_reported(read):
    rows, counts, shown, told = read('number,word\n2,two\n3,three\n\n"4","fo\nur"\n6,six\n8,eight,\n')
    assert rows == [(2, 2), (5, 4), (7, 6)]
    assert counts == RowCounts(rows=5, bad_rows=2, whole=True)
    assert told == ["3,number: odd", "8,the row has more or fewer fields than the header"]
    assert shown == [("Reading", 54, 54)]


def test_progress_is_shown_in_bytes_of_the_file(read):
    content = "number\n" + "2\n" * (10_000)
    assert read(content)[2] == [("Reading", len(content), len(content))] * 3


def test_a_last_line_without_a_line_break_is_read_and_noted(read):
    rows, counts, _, _ = read("number\n2\n4")
    assert rows == [(2, 2), (3, 4)]
    assert not counts.whole


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("number\n", 2, "the file has a header but no rows"),
        ("number\n1\n3\n", 3, "no row of the file is usable. Lines and reasons: REPORT"),
        ("number\n2\n3", 3, "the file ends in the middle of this row; it is truncated"),
        ("number,word\n2,two\n4", 3, "the file ends in the middle of this row; it is truncated"),
    ],
)
def test_a_file_that_is_no_use_is_refused_at_its_end(read, tmp_path, content, line, reason):
    with pytest.raises(FileRefused) as refused:
        read(content)
    told = refused.value.reason.replace(str(tmp_path / "report.csv"), "REPORT")
    assert (refused.value.line, told) == (line, reason)
