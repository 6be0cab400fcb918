"""A workbook is read as people see it, and one that is made to hurt is refused in its own process."""

import subprocess
import sys
import zipfile

import pytest

from tests.people_files.conftest import MADE
from tests.people_files.workbooks import sheet, write

pytestmark = pytest.mark.sqlite  # nothing here depends on the database
PEOPLE = sheet(("email", "name"), ("ann@mail.example", "Ann"))


def test_a_sheet_of_an_office_program_is_read_with_all_that_it_hides(take, people):
    taken = take(MADE / "customers.xlsx", "--sheet", "Kunden", "--yes").stdout
    assert "customers.xlsx was read as XLSX workbook, sheet 'Kunden'." in taken
    assert "Rows that the workbook hides, imported as well: 2." in taken
    assert "customers.xlsx: 6 rows; people: 6; addresses: 6." in taken
    assert "Blank lines: 1." in taken
    assert "account_ref: a date in the workbook, left empty" in taken
    assert "account_ref: a placeholder like NULL, nan or #N/A, read as empty: 1 (line 7)" in taken
    assert "account_ref: a number of more than 15 digits, left empty" in taken
    assert (
        "account_ref: a number in scientific notation, left empty: its last digits are lost: 1 (line 4)"
        in taken
    )
    assert {person.address.partition("@")[0]: person.account_ref for person in people()} == {
        "kaethe": "12345", "hidden": "123456789012", "filtered": "", "dated": "", "failed": "", "long": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "the workbook has several sheets. Choose one with --sheet: 'Kunden', 'Notizen', 'Leer'"),
        (
            ("--sheet", "Sheet1"),
            "the workbook has no sheet 'Sheet1'. Its sheets: 'Kunden', 'Notizen', 'Leer'",
        ),
    ],
)
def test_several_sheets_are_named_and_none_is_chosen_silently(take, people, options, told):
    assert told in take(MADE / "customers.xlsx", "--yes", *options, status=2).stderr
    assert people() == []


@pytest.mark.parametrize("attributes", [' hidden="1"', ' hidden="1" spans="1:2"', " hidden='true'"])
def test_hidden_rows_are_counted_wherever_the_attribute_stands(take, tmp_path, attributes):
    hidden = PEOPLE.replace('<row r="2">', f'<row r="2"{attributes}>')
    told = take(write(tmp_path / "people.xlsx", {"People": hidden}), "--yes").stdout
    assert "Rows that the workbook hides, imported as well: 1." in told


def test_sheets_without_a_cell_are_no_choice(take, people, tmp_path):
    empty = sheet()
    take(write(tmp_path / "people.xlsx", {"Sheet2": empty, "People": PEOPLE, "Sheet3": empty}), "--yes")
    assert [person.name for person in people()] == ["Ann"]


def test_the_names_of_sheets_cannot_write_on_the_screen(take, people, tmp_path):
    names = {"One&#27;[2J": PEOPLE, "Two&#x9b;31m": PEOPLE}
    told = take(write(tmp_path / "people.xlsx", names), "--yes", status=2).stderr
    assert "Choose one with --sheet: 'One?[2J', 'Two?31m'" in told
    alone = take(write(tmp_path / "one.xlsx", {"One&#27;[2J": PEOPLE}), "--yes").stdout
    assert "XLSX workbook, sheet 'One?[2J'." in alone


def test_lines_are_the_rows_of_the_sheet(take, tmp_path):
    content = sheet((), ("email", "name"), (), ("ann@mail.example", "Ann"), ("nobody", "Bob"))
    taken = take(write(tmp_path / "people.xlsx", {"People": content}), "--yes").stdout
    assert "people.xlsx: 2 rows; people: 1; addresses: 1." in taken
    assert (tmp_path / "report.csv").read_text().splitlines()[1:] == ["5,email: not a single email address"]


def test_a_workbook_whose_parts_expand_to_gigabytes_is_not_opened(take, tmp_path, monkeypatch):
    path = write(tmp_path / "bomb.xlsx", {"People": PEOPLE})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for number in range(11):
            with archive.open(f"xl/media/{number}", "w") as part:
                for _ in range(10):
                    part.write(bytes(10_000_000))
    assert path.stat().st_size < 2_000_000
    told = take(path, "--yes", status=1).stderr
    assert "the workbook cannot be read: it expands to 1049 MB, and at most 1024 MB are read" in told


def test_entities_do_not_expand(take, tmp_path):
    bomb = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 100}">' for n in range(8)
    )
    content = sheet(("email", "name"), ("ann@mail.example", "&i;"), before=f"{bomb}]>")
    result = take(write(tmp_path / "bomb.xlsx", {"People": content}), "--yes", status=1)
    assert "the workbook cannot be read: it is damaged" in result.stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK\x03\x04rest of a workbook", "it is damaged, or no XLSX workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "an old workbook (XLS), or one with a password"),
    ],
)
def test_what_is_no_workbook_is_refused(take, content, told):
    assert told in take(content, "--yes", status=1).stderr


def test_a_zip_archive_with_a_csv_file_is_named(take, tmp_path):
    with zipfile.ZipFile(tmp_path / "people.zip", "w") as archive:
        archive.writestr("people.csv", "email\nann@mail.example\n")
    assert "Take the file out of it" in take(tmp_path / "people.zip", status=1).stderr


def test_a_part_that_is_longer_than_it_says_is_refused(take, tmp_path):
    path = write(tmp_path / "people.xlsx", {"People": PEOPLE})
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    path.write_bytes(path.read_bytes().replace(size.to_bytes(4, "little"), (40).to_bytes(4, "little")))
    assert "it is damaged" in take(path, "--yes", status=1).stderr


def test_the_process_that_reads_can_take_no_more_memory_and_write_no_file(tmp_path):
    program = f"""
from portal.people_files.formats.workbook_child import limit
limit()
try:
    bytearray(3 << 30)
except MemoryError:
    print("no memory")
try:
    with open({str(tmp_path / "file")!r}, "wb", 0) as file:
        file.write(b"x")
except OSError:
    print("no file")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "no memory\nno file\n"
