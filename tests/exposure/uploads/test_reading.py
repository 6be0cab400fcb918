"""The worker reads what was sent, asks where it must, and stores it as a version that nobody sees yet."""

import gzip
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal.core.i18n import unpacked
from portal.exposure import importing
from portal.exposure.importing import import_lock
from portal.exposure.models import ExposureList
from portal.exposure.uploads import plans, work
from portal.exposure.uploads.models import Upload, UploadChunk, UploadKey, UploadLines
from portal.exposure.uploads.plans import NotNow, Plan
from portal.exposure.uploads.work import Uploads

SEMICOLONS = (
    b"E-Mail;Kundennummer;Vorname;Nachname;Bemerkung\n"
    b"ana@mail.example;C-1;Ana;Ruiz;vip\n"
    b"ben@mail.example;C-2;Ben;Okafor;\n"
    b"not an address;C-3;Cem;Kaya;\n"
    b"dee@mail.example;C-4;Dee;Lund;\n"
    b";C-5;;;\n"
)
PLAIN = b"email,account_ref\nana@mail.example,C-1\nben@mail.example,C-2\nbad,C-3\n"


def reasons_of(found) -> list[tuple[str, int, list[int]]]:
    return [(str(unpacked(reason)), rows, lines) for reason, rows, lines in found["reasons"]]


def left_of(desk, upload) -> tuple[int, int]:
    """Keys and chunks that are stored of an upload."""
    with desk.db.read() as session:
        keys = session.scalar(select(func.count()).where(UploadKey.upload_id == upload.id))
        chunks = session.scalar(select(func.count()).where(UploadChunk.upload_id == upload.id))
        return keys or 0, chunks or 0


def test_a_plain_list_is_read_then_stored_as_an_invisible_version_and_its_keys_are_destroyed(desk):
    upload, found = desk.read(PLAIN)
    assert (upload.state, upload.rows, upload.bad_rows, upload.people) == ("read", 3, 1, 2)
    assert reasons_of(found) == [("email: not a single email address", 1, [4])]
    assert desk.lists.stored() == (0, 0)
    upload = desk.decide(upload, store=True, by="ana")
    assert (upload.state, upload.number, upload.people) == ("stored", 1, 2)
    assert desk.lists.stored() == (1, 2)
    assert left_of(desk, upload) == (0, 0)


def test_columns_are_guessed_and_what_is_left_is_asked_with_masked_samples(desk):
    upload, found = desk.read(SEMICOLONS)
    assert upload.state == "undecided"
    assert found["problem"]["kind"] == "columns"
    assert [(c["number"], c["header"], c["column"], c["how"]) for c in found["columns"]] == [
        (1, "E-Mail", "email", "guessed"),
        (2, "Kundennummer", "account_ref", "guessed"),
        (3, "Vorname", "", "undecided"),
        (4, "Nachname", "", "undecided"),
        (5, "Bemerkung", "", "undecided"),
    ]
    assert found["columns"][0]["samples"] == ["a…@m….example", "b…@m….example", "n…"]
    assert "ana@" not in str(found)
    assert "Ruiz" not in str(found)


def test_a_decided_file_is_read_again_and_its_bad_rows_are_listed_by_reason(desk):
    upload, _ = desk.read(SEMICOLONS)
    upload = desk.decide(upload, mapped=((3, "name"), (4, "name")), ignored=(5,))
    found = desk.found(upload)
    assert (upload.state, upload.rows, upload.bad_rows, found["people"]) == ("read", 5, 2, 3)
    assert reasons_of(found) == [
        ("email: not a single email address", 1, [4]),
        ("email: the cell is empty", 1, [6]),
    ]
    with desk.db.read() as session:
        pages = session.execute(
            select(UploadLines.reason, UploadLines.lines).order_by(UploadLines.page)
        ).all()
    assert [tuple(page) for page in pages] == [(0, "4"), (1, "6")]
    assert desk.decide(upload, store=True).state == "stored"
    assert desk.lists.stored() == (1, 3)


def test_an_encoding_that_must_be_named_is_asked_for(desk):
    upload, found = desk.read("email,name\nana@mail.example,Zoë\n".encode("cp1252"))
    assert (upload.state, found["problem"]["kind"]) == ("undecided", "encoding")
    upload = desk.decide(upload, encoding="cp1252")
    assert (upload.state, upload.people) == ("read", 1)


def test_before_an_encoding_is_chosen_its_rows_show_by_the_likely_one(desk):
    _, found = desk.read("email,name,bemerkung\nana@mail.example,Émile,1\n".encode("cp1252"))
    assert [one["samples"] for one in found["columns"]] == [["a…@m….example"], ["É…"], ["1…"]]
    rows = "".join(f"ana@mail.example,{name}\n" for name in ("Müller", "José Nuñez", "Zoë"))
    _, found = desk.read(f"email,name\n{rows}".encode())
    assert found["columns"][1]["samples"] == ["Mü…", "J…é…", "Z…"]  # a reader sees whether they are right
    _, found = desk.read("email,name\nana@mail.example,MÃ¼ller\nben@mail.example,Михаил\n".encode())
    assert found["columns"][1]["samples"] == ["MÃ¼…", "М…"]
    late = b"email,name\n" + b"ana@mail.example,Ana\n" * 15_000 + "zoe@mail.example,Zoë\n".encode("cp1252")
    upload, found = desk.read(late)
    assert (upload.state, found["problem"]["kind"], found["problem"]["line"]) == (
        "undecided",
        "encoding",
        15_002,
    )
    assert [one["column"] for one in found["columns"]] == ["email", "name"]


GERMAN = (
    b"email,data_classes\nana@mail.example,Passwort;Strasse\nben@mail.example,passwort\n"
    b"cem@mail.example,4111 1111\n"
)


def test_a_refused_file_keeps_its_columns_lines_reasons_and_unknown_words(desk):
    upload, found = desk.read(GERMAN)
    assert (upload.state, found["problem"]["kind"]) == ("refused", "rows")
    assert [one["column"] for one in found["columns"]] == ["email", "data_classes"]
    assert found["unknown"] == [["Passwort", 2], ["Strasse", 1]]  # numbers may be somebody's
    assert [row[1:] for row in found["reasons"]] == [[1, [2]], [1, [3]], [1, [4]]]
    meanings = (("Passwort", "Passwords"), ("Strasse", "Physical addresses"))
    upload = desk.decide(upload, meanings=meanings)
    assert (upload.state, upload.bad_rows, desk.found(upload)["unknown"]) == ("read", 1, [])
    upload = desk.decide(upload, store=True, widen=True)
    assert upload.state == "stored"
    assert desk.found(upload)["classes"] == {"Passwords": 2, "Physical addresses": 1}


def test_at_most_forty_unknown_words_are_listed(desk):
    words = [f"word {chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(60)]
    rows = b"".join(b"ana@mail.example,%s\n" % word.encode() for word in words)
    _, found = desk.read(b"email,data_classes\n" + rows)
    assert [word for word, _ in found["unknown"]] == words[:40]


def test_a_kind_of_data_that_is_unknown_stops_nobody_from_being_left_out(desk):
    upload, found = desk.read(b"email,data_classes\nana@mail.example,Passwort\n", purpose="left-out")
    assert (upload.state, found["people"]) == ("read", 1)
    upload, found = desk.read(b"email\nana@mail.example\nbad\n", purpose="left-out")
    assert (upload.state, found["problem"]["kind"]) == ("refused", "unread")
    assert reasons_of(found) == [("email: not a single email address", 1, [3])]


def test_a_gzip_file_is_read_as_the_command_reads_it(desk):
    upload, _ = desk.read(gzip.compress(PLAIN))
    assert (upload.state, upload.rows) == ("read", 3)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (gzip.compress(bytes(200_000_000)), "the gzip file expands to more than 200 times its size"),
        (gzip.compress(PLAIN)[:-9], "the gzip file is cut: its end is missing"),
        (gzip.compress(b"PK\x03\x04 a workbook"), "the gzip file holds a workbook"),
        (b"email\n" + bytes(500), "NUL byte"),
        (b"email\n", "the file has a header but no rows"),
        (b"email\n" + b"x" * 70_000, "longer than 65536 bytes"),
        (b'email,name\n"ana@mail.example,Ana\n', "a quotation mark is not closed"),
        (b"ana@mail.example,Ana\nben@mail.example,Ben\n", "there is no header"),
    ],
    ids=["bomb", "cut", "workbook", "nul", "empty", "long", "quote", "headless"],
)
def test_what_is_no_list_is_refused_with_its_reason(desk, content, told):
    upload, found = desk.read(content)
    assert upload.state == "refused"
    assert told in found["problem"]["reason"]
    assert desk.lists.stored() == (0, 0)


def test_a_comparison_with_the_active_version_is_shown_before_anything_is_stored(desk):
    desk.lists.live("ana@mail.example,C-1,,,,\nzoe@mail.example,C-9,,,,\n")
    _, found = desk.read(PLAIN)
    assert found["compared"] == {
        "version": 1,
        "people": 2,
        "new": 1,
        "gone": 1,
        "changed": 0,
        "loses_many": True,
    }


def test_classes_that_the_incident_does_not_list_need_a_decision(desk):
    upload, found = desk.read(b"email,data_classes\nana@mail.example,Passwords\n")
    assert (upload.state, found["beyond"]) == ("read", {"Passwords": 1})
    upload = desk.decide(upload, store=True)
    assert upload.state == "read"
    assert desk.lists.stored() == (0, 0)
    upload = desk.decide(upload, store=True, widen=True)
    assert (upload.state, upload.number) == ("stored", 1)
    assert desk.found(upload)["staged"] is True


def test_formulas_markup_and_csv_in_cells_arrive_as_text_and_never_as_more_than_a_letter(desk):
    rows = (
        'email,name,"<img src=x onerror=alert(1)>"\n'
        "ana@mail.example,=HYPERLINK(1),x\n"
        "@SUM(1+9),**Ben**,y\n"
        '"=cmd|/c calc!A1@mail.example",[a](javascript:b),z\n'
    )
    upload, found = desk.read(rows.encode())
    assert [c["samples"] for c in found["columns"]] == [
        ["a…@m….example", "…@…", "…@…"],
        ["=…", "*…", "[…"],
        ["x…", "y…", "z…"],
    ]
    assert found["columns"][2]["header"] == "<img src=x onerror=alert(1)>"
    upload = desk.decide(upload, ignored=(3,))
    assert upload.bad_rows == 2


def test_people_to_leave_out_are_read_and_stored_on_decision(desk):
    desk.lists.live("ana@mail.example,C-1,,,,\nben@mail.example,C-2,,,,\n")
    upload, found = desk.read(b"email,account_ref\nana@mail.example,C-1\n", purpose="left-out")
    assert (upload.state, found["people"]) == ("read", 1)
    assert desk.decide(upload, store=True, by="ana").state == "stored"
    assert desk.found(upload)["new"] == 1


def test_leaving_out_a_large_part_of_the_list_must_be_meant(desk):
    people = "".join(f"person{n}@mail.example,\n" for n in range(12))
    desk.lists.live("".join(f"{row.strip()},,,,\n" for row in people.splitlines()))
    upload, found = desk.read(b"email,account_ref\n" + people.encode(), purpose="left-out")
    assert found["silences"] == [12, 12]
    assert desk.decide(upload, store=True).state == "read"
    assert desk.decide(upload, store=True, silence=True).state == "stored"


def test_nothing_can_be_stored_that_was_not_read_or_is_being_read(desk, clock):
    upload = desk.send(PLAIN)
    for plan in (Plan(store=True), Plan()):
        with desk.db.write() as session, pytest.raises(NotNow):
            plans.decide(session, desk.parts.vault, session.get_one(Upload, upload.id), plan, clock.now())


def test_a_forged_plan_or_state_stores_nothing(desk):
    upload, _ = desk.read(PLAIN)
    other, _ = desk.read(PLAIN)
    desk.decide(other, ignored=())
    with desk.db.write() as session:
        row, source = session.get_one(Upload, upload.id), session.get_one(Upload, other.id)
        row.plan, row.state = source.plan, "waiting"
    desk.work()
    assert desk.row(upload).state == "refused"
    assert desk.lists.stored() == (0, 0)


def test_while_another_import_runs_an_upload_waits(desk):
    upload = desk.send(PLAIN)
    with import_lock(desk.db):
        assert Uploads(desk.parts).step() == 1
        assert desk.row(upload).state == "waiting"
    desk.work()
    assert desk.row(upload).state == "read"


def test_an_upload_whose_worker_died_is_read_by_another_one(desk, clock):
    upload = desk.send(PLAIN)
    assert Uploads(desk.parts)._claim() is not None
    desk.work()
    assert desk.row(upload).state == "working"
    clock.at += timedelta(seconds=125)
    desk.work()
    assert desk.row(upload).state == "read"


def test_a_worker_that_stops_leaves_the_upload_to_the_next_and_no_version(desk, monkeypatch):
    upload = desk.send(b"email\n" + b"".join(b"p%d@mail.example\n" % n for n in range(6_000)))
    desk.work()
    with desk.db.write() as session:
        row = session.get_one(Upload, upload.id)
        plans.decide(session, desk.parts.vault, row, Plan(store=True), desk.place.clock.now())
    Uploads(replace(desk.parts, stopping=lambda: True)).step()
    assert desk.row(upload).state == "waiting"
    desk.work()
    assert (desk.row(upload).state, desk.row(upload).number) == ("stored", 1)
    with desk.db.read() as session:
        assert session.scalar(select(func.count()).select_from(ExposureList)) == 1
    assert desk.lists.stored() == (1, 6_000)


def test_progress_is_one_row_that_says_how_many_rows_were_read(desk, monkeypatch):
    monkeypatch.setattr(work, "SHOWN_EVERY", 0.0)
    seen = []
    shown = work._Shown.__call__

    def look(self, stage, done, total):
        shown(self, stage, done, total)
        row = desk.row(self._upload)
        seen.append((row.stage, row.rows, row.done <= row.total))

    monkeypatch.setattr(work._Shown, "__call__", look)
    desk.read(b"email\n" + b"".join(b"p%d@mail.example\n" % n for n in range(11_000)))
    assert ("reading", 5_000, True) in seen
    assert ("reading", 10_000, True) in seen


def test_the_command_reads_and_stores_the_same(desk):
    upload, found = desk.read(PLAIN)
    desk.decide(upload, store=True)
    summary = desk.lists.take_in(PLAIN)
    assert (summary.people, summary.bad_rows) == (found["people"], found["bad_rows"])
    with desk.db.read() as session:
        first, second = session.scalars(select(ExposureList).order_by(ExposureList.number)).all()
    assert (first.class_counts, first.rows, first.entries) == (
        second.class_counts,
        second.rows,
        second.entries,
    )
    assert isinstance(summary, importing.Summary)
