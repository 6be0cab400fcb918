"""A file proves an item: sealed as it comes, nowhere in clear, opened again by who confirmed, and noted."""

import re
import tempfile
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from portal.audit import service as audit
from portal.checklist.models import ChecklistItem, ProofChunk, ProofFile
from portal.checklist.proofs import jobs as proofs
from portal.incidents.models import Incident
from tests.checklist.test_console import HARM, PAGE, SLUG, save
from tests.colleagues import press
from tests.visitor import SAME_SITE, hidden, main_of

MARKER = b"zzmarker of the insurer"
PDF = b"%PDF-1.7\n" + MARKER + b"\n" + b"x" * 2_500_000 + b"\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
ADD = f"{PAGE}insurer/files/"


@pytest.fixture
def incident(portal):
    portal("incidents", "create", SLUG, "--title", "November", "--classes", "Email addresses")


@pytest.fixture
def iris(office, incident):
    return office.add("author", name="Iris")


def send(browser, content=PDF, name="Letter of 24 November.pdf", token=""):
    """Send the form as a browser does; werkzeug's own would put the file into a temporary folder."""
    token = token or hidden(browser.get(ADD).text)["csrf_token"]
    part = '--b\r\nContent-Disposition: form-data; name="{}"'
    head = f'{part.format("csrf_token")}\r\n\r\n{token}\r\n{part.format("file")}; filename="{name}"\r\n\r\n'
    body = head.encode() + content + b"\r\n--b--\r\n"
    return browser.post(ADD, data=body, headers=SAME_SITE, content_type="multipart/form-data; boundary=b")


def link(browser):
    (found,) = re.findall(rf'href="({ADD}[0-9a-f]{{32}}/)"', browser.get(PAGE).text)
    return found


def count(db, table=ProofFile):
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(table))


def test_a_file_is_kept_sealed_and_opened_again_by_who_confirmed(office, iris, db, tmp_path, monkeypatch):
    browser = office.sign_in(iris)
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))  # a file without a name is seen nowhere
        assert send(browser).location == f"{PAGE}#insurer"
    with db.read() as session:
        chunks = session.scalars(select(ProofChunk.content).order_by(ProofChunk.number)).all()
        (row,) = session.scalars(select(ProofFile))
    assert [len(one) for one in chunks] == [1_048_604, 1_048_604, 402_916]
    assert row.size == len(PDF)
    stored = b"".join(chunks) + row.content + row.key
    assert MARKER not in stored
    assert b"Letter" not in stored
    if db.is_sqlite:
        assert all(MARKER not in one.read_bytes() for one in tmp_path.rglob("*") if one.is_file())
    page = main_of(browser.get(PAGE).text)
    assert "Letter of 24 November.pdf" in page
    assert "2.5 MB" in page
    page = browser.get(link(browser)).text
    assert "Iris" in page
    answer = press(browser, link(browser), link(browser))
    assert answer.data == PDF
    assert answer.mimetype == "application/pdf"
    said = answer.headers["Content-Disposition"]
    assert said == "attachment; filename*=UTF-8''Letter%20of%2024%20November.pdf"
    with db.read() as session:
        entry = audit.newest_of(session, SLUG, ("checklist.open-file",))
    assert entry is not None
    assert f'"by":"staff {iris.id.hex()}"' in entry.details


def test_opening_and_deleting_ask_who_it_is_again(office, iris, db):
    browser = office.sign_in(iris)
    send(browser)
    page = link(browser)
    token = hidden(browser.get(page).text)
    office.advance(timedelta(minutes=6))
    for to in (page, f"{page}delete/"):
        answer = browser.post(to, data=token, headers=SAME_SITE)
        assert answer.location.startswith("/confirm/")
    assert count(db) == 1
    office.confirm(browser, iris)
    assert press(browser, page, f"{page}delete/").status_code == 303
    assert count(db) == count(db, ProofChunk) == 0
    assert browser.get(page).status_code == 404


@pytest.mark.parametrize("table", [ProofFile, ProofChunk])
def test_what_was_altered_without_the_workers_keys_is_not_opened(office, iris, db, table):
    browser = office.sign_in(iris)
    send(browser)
    page, token = link(browser), hidden(browser.get(link(browser)).text)
    with db.write() as session:
        if table is ProofFile:
            session.execute(update(ProofFile).values(added_by=bytes(16)))
        else:
            session.execute(update(ProofChunk).where(ProofChunk.number == 1).values(content=bytes(60)))
    assert browser.post(page, data=token, headers=SAME_SITE).location == f"{PAGE}#insurer"
    assert "This file is gone, or somebody changed it." in browser.get(PAGE).text


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"", "letter.pdf", "This one is empty"),
        (b"", "", "This one is empty"),
        (b"MZ\x90" + bytes(90), "letter.pdf", "Choose a PDF or a picture"),
        (b"<svg onload=alert(1)>", "picture.png", "Choose a PDF or a picture"),
        (b"PK\x03\x04" + bytes(90), "list.xlsx", "Choose a PDF or a picture"),
        (PNG, "letter.pdf", "says another type"),
        (PDF[:40], "letter.pdf.exe", "says another type"),
        (PDF[:40], "pdf", "says another type"),
        (PDF[:9] + bytes(10_485_752), "letter.pdf", "It may have 10 MB"),
    ],
)
def test_what_is_no_proof_is_refused_and_leaves_nothing(office, iris, db, content, name, said):
    answer = send(office.sign_in(iris), content, name)
    assert answer.status_code in (400, 422)
    assert said in answer.text or not name
    assert count(db) == count(db, ProofChunk) == 0


@pytest.mark.sqlite
def test_a_name_is_shown_as_text_without_folders_or_what_turns_it_round(office, iris):
    browser = office.sign_in(iris)
    send(browser, PNG, "..\\..\\etc/\u202egnp.exe<img src=x onerror=alert(1)>.png")
    page = browser.get(PAGE).text
    assert "gnp.exe&lt;img src=x onerror=alert(1)&gt;.png" in page
    assert "\u202e" not in page
    answer = press(browser, link(browser), link(browser))
    assert "\n" not in answer.headers["Content-Disposition"]
    assert answer.mimetype == "image/png"


@pytest.mark.sqlite
def test_an_item_has_five_files_at_most(office, iris, db):
    browser = office.sign_in(iris)
    for number in range(5):
        assert send(browser, PNG, f"{number}.png").status_code == 303
    answer = send(browser, PNG, "5.png")
    assert answer.status_code == 422
    assert "There are five files already." in answer.text
    assert count(db) == 5


@pytest.mark.sqlite
def test_a_file_of_another_item_or_incident_does_not_open_there(office, iris, portal):
    browser = office.sign_in(iris)
    send(browser, PNG, "a.png")
    page = link(browser)
    portal("incidents", "create", "other", "--title", "Other", "--classes", "Names")
    for wrong in (
        page.replace("insurer", "it"),
        page.replace(SLUG, "other"),
        f"{ADD}{'0' * 32}/",
        f"{ADD}x/",
    ):
        assert browser.get(wrong).status_code == 404
        assert press(browser, page, wrong).status_code == 404
        assert press(browser, page, f"{wrong}delete/").status_code == 404
    assert browser.get(f"{PAGE}nothing/files/").status_code == 404


@pytest.mark.sqlite
def test_a_forged_form_and_a_role_that_only_reads_add_nothing(office, iris, db):
    browser = office.sign_in(iris)
    assert send(browser, token="forged").status_code == 400
    assert browser.post(ADD, data={"csrf_token": "x"}, headers=SAME_SITE).status_code == 400
    support = office.as_role("support")
    assert support.get(ADD).status_code == 403
    send(browser, PNG, "a.png")
    page = link(browser)
    assert page not in support.get(PAGE).text
    assert "a.png" in support.get(PAGE).text
    assert support.get(page).status_code == 403


@pytest.mark.sqlite
def test_without_a_worker_nothing_is_kept_and_what_was_left_goes_after_an_hour(office, iris, db, clock):
    browser = office.sign_in(iris)
    clock.advance(timedelta(minutes=2))  # the worker's key is over
    assert send(browser, PNG, "a.png").status_code == 503
    assert count(db) == 1
    assert "a.png" not in browser.get(PAGE).text
    proofs.tidy(office.parts)
    assert count(db) == 1
    clock.advance(timedelta(minutes=61))
    proofs.tidy(office.parts)
    assert count(db) == count(db, ProofChunk) == 0


def test_what_belongs_to_an_incident_goes_with_it(office, iris, db):
    browser = office.sign_in(iris)
    send(browser, PNG, "a.png")
    save(browser, "it", note=HARM)
    proofs.tidy(office.parts)
    assert count(db) == count(db, ChecklistItem) == 1
    with db.write() as session:
        session.delete(session.scalars(select(Incident)).one())
    proofs.tidy(office.parts)
    assert count(db) == count(db, ProofChunk) == count(db, ChecklistItem) == 0
