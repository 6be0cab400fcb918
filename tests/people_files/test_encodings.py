"""A text is read in the encoding that it is in, and never in one that was not named."""

import gzip
import io

import pytest

from portal.people_files.formats.refusal import FileRefused, Undecided
from portal.people_files.reading import ReadOptions, RowCounts, read_rows
from portal.people_files.report import Report

TEXT = "email,name\nann@mail.example,Käthe\nbob@mail.example,Zoë\n"


@pytest.fixture
def read(tmp_path):
    def run(content: bytes, encoding: str = ""):
        file = tmp_path / "people.csv"
        file.write_bytes(content)
        report, counts = Report(tmp_path / "report.csv", file), RowCounts()
        options = ReadOptions(encoding=encoding)
        found = read_rows(
            file, ("email", "name"), ("email",), lambda cells: cells[1], report, counts, lambda *_: None,
            options=options,
        )  # fmt: skip
        return [name for _, name in found], counts.description

    return run


@pytest.mark.parametrize(
    ("encoding", "named", "described"),
    [
        ("utf-8", "", "UTF-8"),
        ("utf-8-sig", "", "UTF-8"),
        ("utf-16", "", "UTF-16"),
        ("utf-32", "", "UTF-32"),
        ("utf-16-le", "utf-16-le", "utf-16-le"),
        ("utf-16-be", "UTF-16BE", "utf-16-be"),
        ("cp1252", "windows-1252", "cp1252"),
        ("cp1252", "cp1252", "cp1252"),
        ("iso-8859-15", "latin9", "iso8859-15"),
        ("mac-roman", "mac-roman", "mac-roman"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["as it is", "gzip"])
def test_every_usual_encoding_is_read(read, encoding, named, described, pack):
    names, description = read(pack(TEXT.encode(encoding)), named)
    assert names == ["Käthe", "Zoë"]
    assert description == f"text in {described}, columns separated by commas"


def test_a_mark_of_the_other_byte_order_counts(read):
    assert read(b"\xfe\xff" + TEXT.encode("utf-16-be"))[0] == ["Käthe", "Zoë"]


def test_a_line_that_is_not_in_the_named_encoding_is_told(read):
    content = "".join(f"p{number}@mail.example,P\n" for number in range(30_000)).encode()
    with pytest.raises(FileRefused, match="line 30002: the line is not in the encoding cp1252"):
        read(b"email,name\n" + content + b"x@mail.example,\x81\n" + content, "cp1252")


def test_a_line_that_is_not_utf_8_late_in_a_large_file_says_which_option_reads_it(read):
    content = "".join(f"p{number}@mail.example,P\n" for number in range(30_000)).encode()
    with pytest.raises(Undecided, match=r"line 30002: the line is not UTF-8.*add --encoding cp1252"):
        read(b"email,name\n" + content + "x@mail.example,Käthe\n".encode("cp1252"))


def test_utf_16_without_its_mark_is_named(read):
    with pytest.raises(
        FileRefused, match=r"probably UTF-16 without its mark\. If so, add --encoding utf-16-le"
    ):
        read(TEXT.encode("utf-16-le"))


def test_a_gzip_file_that_is_cut_or_damaged_is_refused(read):
    packed = gzip.compress(TEXT.encode() * 1_000)
    with pytest.raises(FileRefused, match="the gzip file is cut: its end is missing"):
        read(packed[:-10])
    with pytest.raises(FileRefused, match="the gzip file is damaged"):
        read(packed[:12] + b"\xff" * 20 + packed[32:])


def test_a_gzip_file_that_expands_without_end_is_refused_early(read):
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        file.write(b"email,name\n")
        for _ in range(80):
            file.write((b"ann@mail.example," + b"A" * 183 + b"\n") * 5_000)
    with pytest.raises(FileRefused, match="the gzip file expands to more than 200 times its size"):
        read(packed.getvalue())
