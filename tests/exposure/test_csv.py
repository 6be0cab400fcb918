"""Files that cannot be taken in are refused by line number, never by value, and leave nothing."""

import pytest

from portal.people_files.formats.refusal import FileRefused
from tests.exposure.conftest import HEADER


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("email\nann@northwind.example\n".encode("utf-16-be"), 1, "UTF-16"),
        ("email\nann@northwind.example\n".encode("utf-16-le"), 1, "UTF-16"),
        ("email,name\nann@northwind.example,José\n".encode("latin-1"), 2, "not UTF-8"),
        (b"email\nann@northwind.example\nbo\0b@northwind.example\n", 3, "NUL"),
        (b'email,name\nann@northwind.example,Ann\nbob@northwind.example,"Bob\n', 3, "not closed"),
        (b'email,name\nann@northwind.example,"Ann" Lee\n', 2, "quotation mark"),
        (b"email,name\r" * 3, 1, "carriage return"),
        (b"email,shoe_size\nann@northwind.example,43 wide\n", 1, "'shoe_size'"),
        (b"email,name,email\nann@northwind.example,Ann,x\n", 1, "'email' appears more than once"),
        (b"name,locale\nAnn,en\n", 1, "'email' is missing"),
        (b"ann@northwind.example,7\nbob@northwind.example,8\n", 1, "no header"),
        (b"email,name\n", 2, "no rows"),
        (b"email,name\n\n\n", 2, "no rows"),
        (b"", 1, "empty"),
        (b"PK\x03\x04rest of a workbook", 1, "workbook"),
        (b"\x1f\x8b\x08 a bomb", 1, "gzip file"),
        (b"email\nnobody\nnowhere\n", 3, "no row of the file is usable"),
        (b"email,name,locale\nann@northwind.example,Ann,en\nbob@northwi", 3, "truncated"),
        (b"email\nann@northwind.example\n" + b"x" * 100_000 + b"\n", 3, "longer than"),
    ],
)
def test_a_file_that_cannot_be_taken_in_is_refused_and_leaves_nothing(lists, content, line, reason):
    with pytest.raises(FileRefused) as refused:
        lists.take_in(content)
    assert refused.value.line == line
    assert reason in refused.value.reason
    assert not refused.value.reason.endswith(".")  # a sentence follows it
    assert not any(
        value in str(refused.value) for value in ("ann@", "bob@", "northwind", "José", "Lee", "43 wide")
    )
    assert lists.stored() == (0, 0)


def test_a_header_is_not_repeated_where_it_may_be_a_person(lists):
    with pytest.raises(FileRefused) as refused:
        lists.take_in("email,ann@northwind.example\nbob@northwind.example,x\n")
    assert "ann" not in str(refused.value)
    assert "number 2" in str(refused.value)


def test_carriage_returns_with_line_feeds_blank_lines_and_quoted_line_breaks_are_fine(lists):
    content = 'name,email\r\n"Ann\r\nLee",ann@northwind.example\r\n\r\n"O""Hara, Bo",bo@northwind.example\r\n'
    summary = lists.take_in(content)
    assert (summary.rows, summary.people, summary.bad_rows) == (2, 2, 0)


def test_a_file_without_a_line_break_at_its_end_is_taken_in_and_told(lists):
    assert not lists.take_in("email\nann@northwind.example").whole
    assert lists.take_in("email\nann@northwind.example\n").whole


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("ann@northwind.example,1,Ann\n", "more or fewer fields"),
        ("ann@northwind.example,1,Ann,en,,Names,more\n", "more or fewer fields"),
        (",1,Ann,en,,\n", "the cell is empty"),
        ("ann,1,Ann,en,,\n", "not a single email address"),
        ("a@b.example;c,1,Ann,en,,\n", "several entries, of which one is no address"),
        ('"ann@northwind.example\nBcc: x@evil.example",1,Ann,en,,\n', "of which one is no address"),
        ("ann lee@northwind.example,1,Ann,en,,\n", "not a single email address"),
        ("x" * 300 + "@northwind.example,1,Ann,en,,\n", "too long"),
        ("ﬁona@northwind.example,1,Fiona,en,,\n", "only looks like a plain letter"),
        ("ann@northwind.example,1,Ann,en,,Names;Shoe sizes\n", "'Shoe sizes' is not a data class"),
        ("ann@northwind.example,1,Ann,en,,ann@evil.example\n", "name 1 is not a data class"),
        ("ann@northwind.example," + "9" * 200 + ",Ann,en,,\n", "longer than"),
    ],
)
def test_a_bad_row_is_told_by_line_and_reason_and_left_out(lists, row, reason):
    good = "good@northwind.example,0,Good,en,,\n"
    summary = lists.take_in(HEADER + good + row + good.replace("good", "well"))
    assert (summary.people, summary.bad_rows) == (2, 1)
    header, told = lists.report.read_text().splitlines()
    assert header == "line,reason"
    line, why = told.split(",", 1)
    assert line == "3"
    assert reason in why
    assert not any(value in told for value in ("ann@", "northwind", "Ann", "evil", "999"))
    assert lists.report.stat().st_mode & 0o077 == 0


def test_names_that_look_like_payloads_are_only_names(lists):
    rows = "".join(
        f'p{i}@northwind.example,{i},"{name}",en,,\n'
        for i, name in enumerate(
            ("=HYPERLINK(1)", "<script>alert(1)</script>", "[x](javascript:1)", "Zoë O’Neil", "👩‍👩‍👧")
        )
    )
    assert lists.take_in(HEADER + rows).people == 5
