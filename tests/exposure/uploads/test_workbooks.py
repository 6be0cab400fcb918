"""A workbook is held in memory, read by a process with limits, and stored as sealed rows."""

import zipfile

import pytest
from sqlalchemy import func, select

from portal.exposure.uploads import workbooks
from portal.exposure.uploads.models import UploadChunk
from portal.exposure.uploads.receiving import UploadRefused
from portal.exposure.uploads.workbooks import SheetUndecided, TooManyWorkbooks, WorkbookRefused
from portal.people_files.formats.workbook import Limits
from tests.people_files.workbooks import MAIN, XML, sheet, write

PEOPLE = sheet(
    ("E-Mail", "Name"),
    ("ana@mail.example", "Ana"),
    ("not an address", "Ben"),
    ("cem@mail.example", "Cem"),
)


def test_a_workbook_is_read_and_stored_like_a_text(desk, tmp_path):
    upload = desk.send_workbook(write(tmp_path / "people.xlsx", {"People": PEOPLE}))
    assert upload.state == "waiting"
    desk.work()
    upload = desk.row(upload)
    assert (upload.state, upload.rows, upload.bad_rows, upload.people) == ("read", 3, 1, 2)
    assert desk.found(upload)["description"] == "XLSX workbook, sheet 'People'"
    assert desk.decide(upload, store=True).state == "stored"
    assert desk.lists.stored() == (1, 2)


def test_what_is_stored_of_a_workbook_is_sealed(desk, tmp_path):
    desk.send_workbook(write(tmp_path / "people.xlsx", {"People": PEOPLE}))
    with desk.db.read() as session:
        chunks = session.scalars(select(UploadChunk.content)).all()
    assert chunks
    assert not any(b"ana@mail.example" in chunk or b"People" in chunk for chunk in chunks)


def test_many_rows_of_a_workbook_take_many_chunks(desk, tmp_path, small_chunks):
    small_chunks(5_000)
    rows = [("email",), *((f"person{n}@mail.example",) for n in range(2_000))]
    upload = desk.send_workbook(write(tmp_path / "people.xlsx", {"People": sheet(*rows)}))
    assert upload.chunks > 10
    desk.work()
    assert desk.row(upload).people == 2_000


def test_of_several_sheets_one_must_be_named(desk, tmp_path):
    path = write(tmp_path / "people.xlsx", {"One": PEOPLE, "Two": PEOPLE})
    with pytest.raises(SheetUndecided) as undecided:
        desk.send_workbook(path)
    assert undecided.value.sheets == ["One", "Two"]
    desk.work()
    assert desk.row(desk.send_workbook(path, "Two")).state == "waiting"


def bomb(path):
    write(path, {"People": PEOPLE})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            with archive.open(f"xl/media/{number}", "w") as part:
                for _ in range(10):
                    part.write(bytes(10_000_000))
    return path


def wide(path, far):
    """A sheet of two cells that spans many."""
    cells = (
        '<row r="1"><c r="A1" t="inlineStr"><is><t>email</t></is></c></row>'
        f'<row r="{far[1]}"><c r="{far[0]}{far[1]}" t="inlineStr"><is><t>x</t></is></c></row>'
    )
    content = f'{XML}<worksheet xmlns="{MAIN}"><sheetData>{cells}</sheetData></worksheet>'
    return write(path, {"People": content})


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (bomb, "it expands to more than 200 times its size"),
        (lambda path: wide(path, ("T", 500_000)), "the sheet spans 10,000,000 cells"),
        (lambda path: wide(path, ("XFD", 1_048_576)), "it needs more than 1024 MB of memory"),
        (
            lambda path: write(path, {"People": sheet(("email",), ("x" * 70_000,))}),
            "row 2 has more than 65536 characters",
        ),
    ],
    ids=["zip", "ten million cells", "seventeen billion cells", "long row"],
)
def test_a_bomb_is_refused_with_its_reason_and_nothing_of_it_is_left(desk, tmp_path, made, told):
    with pytest.raises(WorkbookRefused, match=told):
        desk.send_workbook(made(tmp_path / "bomb.xlsx"))
    with desk.db.read() as session:
        assert session.scalar(select(func.count()).select_from(UploadChunk)) == 0


def test_formula_cells_are_read_as_the_value_that_was_saved_and_never_computed(desk, tmp_path):
    rows = (
        '<row r="1"><c r="A1" t="inlineStr"><is><t>email</t></is></c>'
        '<c r="B1" t="inlineStr"><is><t>name</t></is></c></row>'
        '<row r="2"><c r="A2" t="str"><f>"ana@mail."&amp;"example"</f><v>ana@mail.example</v></c>'
        '<c r="B2"><f>WEBSERVICE("http://evil.example")</f></c></row>'
    )
    content = f'{XML}<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
    upload = desk.send_workbook(write(tmp_path / "formulas.xlsx", {"People": content}))
    desk.work()
    assert (desk.row(upload).state, desk.row(upload).people) == ("read", 1)
    assert desk.found(upload)["columns"][0]["samples"] == ["a…@m….example"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"email\nana@mail.example\n", "is-no-workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is-old-workbook"),
    ],
)
def test_what_is_no_workbook_is_refused_at_its_first_bytes(desk, tmp_path, content, code):
    (tmp_path / "people.xlsx").write_bytes(content)
    with pytest.raises(UploadRefused, match=code):
        desk.send_workbook(tmp_path / "people.xlsx")


def test_a_zip_that_is_no_workbook_is_refused(desk, tmp_path):
    (tmp_path / "people.xlsx").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(WorkbookRefused, match="it is damaged, or no XLSX workbook"):
        desk.send_workbook(tmp_path / "people.xlsx")


def test_a_workbook_that_stops_on_the_way_is_not_read(desk, tmp_path):
    content = write(tmp_path / "people.xlsx", {"People": PEOPLE}).read_bytes()
    upload = desk.begin(len(content), form="sheet")
    coming = iter([content[:200]])
    with pytest.raises(WorkbookRefused, match="it did not arrive whole"):
        workbooks.receive(desk.place, upload, "", lambda _size: next(coming, b""))


def test_a_workbook_beyond_the_limit_is_refused_while_it_comes(desk, monkeypatch):
    monkeypatch.setattr(workbooks, "MAX_WORKBOOK", 1_000_000)
    upload = desk.begin(None, form="sheet")
    with pytest.raises(UploadRefused, match="too-large"):
        workbooks.receive(desk.place, upload, "", lambda size: b"PK\x03\x04" + bytes(size - 4))


def test_a_process_holds_two_workbooks_at_most(desk, tmp_path):
    path = write(tmp_path / "people.xlsx", {"People": PEOPLE})
    workbooks._free.acquire()
    workbooks._free.acquire()
    try:
        with pytest.raises(TooManyWorkbooks):
            desk.send_workbook(path)
    finally:
        workbooks._free.release()
        workbooks._free.release()
    assert desk.send_workbook(path).state == "waiting"


def test_a_process_that_dies_on_the_way_leaves_an_upload_that_is_never_read(desk, tmp_path, monkeypatch):
    monkeypatch.setattr(workbooks, "LIMITS", Limits(memory=1 << 20))
    with pytest.raises(WorkbookRefused):
        desk.send_workbook(write(tmp_path / "people.xlsx", {"People": PEOPLE}))
    desk.work()
    assert desk.lists.stored() == (0, 0)
