"""A file goes through the console: in pieces, as a whole workbook, and by a form without script."""

import pytest
from sqlalchemy import select

from portal.exposure.uploads.models import Upload
from tests.people_files.workbooks import sheet, write
from tests.visitor import SAME_SITE

# What the console does with files does not depend on the database; the services' tests run on both.
pytestmark = pytest.mark.sqlite

PEOPLE = b"email,account_ref\n" + b"".join(b"p%d@mail.example,C-%d\n" % (n, n) for n in range(20_000))
SMALL = b"email\nana@mail.example\nben@mail.example\n"


def states(sender) -> list[str]:
    with sender.office.db.read() as session:
        return sorted(session.scalars(select(Upload.state)))


def test_a_stopped_upload_says_where_it_stopped_and_goes_on_there(sender):
    begun = sender.begin(len(PEOPLE))
    assert begun.status_code == 201
    url = begun.get_json()["content"]
    half = 200_000
    answer = sender.put(url, PEOPLE[:half], 0)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (200, "200000")
    looked = sender.browser.head(url)
    assert (looked.headers["Upload-Offset"], looked.headers["Upload-Length"]) == ("200000", str(len(PEOPLE)))
    wrong = sender.put(url, PEOPLE[300_000:], 300_000)
    assert (wrong.status_code, wrong.get_json()) == (409, {"received": 200_000})
    assert sender.put(url, PEOPLE[half:], half).status_code == 200
    sender.work()
    assert states(sender) == ["read"]


@pytest.mark.parametrize("offset", ["", "-1", "1e3", "9" * 5_000])
def test_an_offset_that_is_no_number_is_refused(sender, offset):
    url = sender.begin(len(SMALL)).get_json()["content"]
    assert sender.put(url, SMALL, **{"Upload-Offset": offset}).status_code == 400


def test_another_file_cannot_go_on_with_an_upload(sender):
    url = sender.begin(len(PEOPLE)).get_json()["content"]
    answer = sender.put(url, PEOPLE, 0, **{"Upload-Name": "b.csv 1"})
    assert (answer.status_code, answer.get_json()["error"]) == (422, "other-file")


def test_two_files_at_once_keep_apart(sender):
    first = sender.begin(len(SMALL)).get_json()["content"]
    second = sender.begin(len(PEOPLE)).get_json()["content"]
    sender.put(second, PEOPLE[:100_000], 0)
    sender.put(first, SMALL, 0)
    sender.put(second, PEOPLE[100_000:], 100_000)
    sender.work()
    with sender.office.db.read() as session:
        assert sorted(session.scalars(select(Upload.people))) == [2, 20_000]


def test_a_workbook_is_sent_whole(sender, tmp_path):
    content = write(tmp_path / "a.xlsx", {"People": sheet(("email",), ("ana@mail.example",))}).read_bytes()
    place = sender.begin(len(content), form="sheet").get_json()
    assert sender.put(place["content"], content).status_code == 200
    sender.work()
    assert states(sender) == ["read"]


def test_a_workbook_of_several_sheets_is_sent_again_with_one_of_them(sender, tmp_path):
    people = sheet(("email",), ("ana@mail.example",))
    content = write(tmp_path / "a.xlsx", {"One": people, "Two": people}).read_bytes()
    place = sender.begin(len(content), form="sheet").get_json()
    answer = sender.put(place["content"], content)
    assert (answer.status_code, answer.get_json()) == (422, {"sheets": ["One", "Two"]})
    assert states(sender) == ["discarded"]
    place = sender.begin(len(content), form="sheet").get_json()
    assert sender.put(f"{place['content']}?sheet=Two", content).status_code == 200


def test_a_file_that_lies_about_its_type_is_refused_in_words(sender):
    url = sender.begin(100).get_json()["content"]
    answer = sender.put(url, b"%PDF-1.7" + b" " * 92, 0)
    assert (answer.status_code, answer.get_json()["error"]) == (422, "is-no-list")
    assert states(sender) == ["discarded"]
    url = sender.begin(100, form="sheet").get_json()["content"]
    answer = sender.put(url, SMALL.ljust(100))
    assert (answer.status_code, answer.get_json()["error"]) == (422, "is-no-workbook")


def test_a_form_without_script_takes_a_text_and_a_workbook(sender, tmp_path):
    answer = sender.send_form(PEOPLE)
    assert (answer.status_code, answer.location[:24]) == (303, "/lists/november/uploads/")
    content = write(tmp_path / "a.xlsx", {"People": sheet(("email",), ("ana@mail.example",))}).read_bytes()
    assert sender.send_form(content, "a.xlsx").status_code == 303
    sender.work()
    with sender.office.db.read() as session:
        assert sorted(session.scalars(select(Upload.people))) == [1, 20_000]


def test_a_form_without_script_asks_for_the_sheet(sender, tmp_path):
    people = sheet(("email",), ("ana@mail.example",))
    content = write(tmp_path / "a.xlsx", {"<i>One</i>": people, "Two": people}).read_bytes()
    answer = sender.send_form(content, "a.xlsx")
    assert answer.status_code == 422
    assert "“&lt;i&gt;One&lt;/i&gt;”, “Two”" in answer.text
    assert sender.send_form(content, "a.xlsx", sheet="Two").status_code == 303


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "The file is empty."),
        (b"%PDF-1.7", "This isn’t a list."),
        (b"PK\x03\x04nothing", "The workbook can’t be read: it is damaged, or no XLSX workbook."),
    ],
)
def test_what_the_form_refuses_is_said_on_the_page_and_discarded(sender, content, told):
    answer = sender.send_form(content)
    assert answer.status_code == 422
    assert told in answer.text
    assert states(sender) in ([], ["discarded"])


def test_a_form_that_stops_in_the_middle_stores_nothing(sender):
    boundary = "b"
    head = (
        f'--b\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{sender.token}\r\n'
        '--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    ).encode()
    answer = sender.browser.post(
        "/lists/november/send/",
        data=head + PEOPLE,
        headers=SAME_SITE,
        content_type=f"multipart/form-data; boundary={boundary}",
    )
    assert answer.status_code == 422
    assert "didn’t arrive whole" in answer.text
    sender.work()
    assert states(sender) == ["discarded"]
    assert sender.office.parts.db.is_sqlite


@pytest.mark.parametrize(
    "headers",
    [
        {"X-CSRFToken": "forged"},
        {"X-CSRFToken": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_cannot_send_a_piece(sender, headers):
    url = sender.begin(len(SMALL)).get_json()["content"]
    assert sender.put(url, SMALL, 0, **headers).status_code == 400
    assert states(sender) == ["receiving"]


def test_another_site_cannot_send_the_form(sender):
    assert sender.send_form(SMALL, csrf_token="forged").status_code == 400
    assert states(sender) == []


@pytest.mark.parametrize("role", ["approver", "support", "privacy", "admin"])
def test_other_roles_cannot_send(sender, role):
    url = sender.begin(len(SMALL)).get_json()["content"]
    other = sender.office.as_role(role)
    answer = other.put(url, data=SMALL, headers=SAME_SITE | {"Upload-Offset": "0"})
    assert answer.status_code == 403
    assert other.post("/lists/november/uploads/", headers=SAME_SITE).status_code in (400, 403)
    assert states(sender) == ["receiving"]


def test_an_upload_is_found_under_its_own_incident_alone(sender, lists):
    lists.incident("december")
    url = sender.begin(len(SMALL)).get_json()["content"]
    elsewhere = url.replace("november", "december")
    assert sender.put(elsewhere, SMALL, 0).status_code == 410
    for wrong in (url.replace("/content", ""), ""):
        page = wrong.replace("november", "december") or "/lists/november/uploads/00ff"
        assert sender.browser.get(f"{page}/").status_code == 404
    assert sender.browser.get("/lists/no-such/").status_code == 404


def test_no_page_puts_a_file_of_a_form_into_a_temporary_folder(sender, monkeypatch):
    def spooled(*_args, **_kwargs):
        raise AssertionError("a temporary file was made")

    for name in ("TemporaryFile", "SpooledTemporaryFile", "NamedTemporaryFile"):
        monkeypatch.setattr(f"tempfile.{name}", spooled)
        monkeypatch.setattr(f"werkzeug.formparser.{name}", spooled, raising=False)
    assert sender.send_form(b"%PDF" + bytes(2_000_000)).status_code == 422
    assert sender.send_form(PEOPLE).status_code == 303
    # One that takes no file, and parses its form.
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    answer = sender.browser.post(
        "/lists/november/uploads/",
        data=head + PEOPLE + b"\r\n--b--\r\n",
        headers=SAME_SITE,
        content_type="multipart/form-data; boundary=b",
    )
    assert answer.status_code == 400
