"""A required reset from the console: counted, approved by a second person, then done by the worker."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from portal.audit.models import AuditEntry
from portal.identity.models import AccountState
from portal.reset.models import Requirement, ResetRun
from portal.reset.runs.work import Runs
from tests.colleagues import press
from tests.visitor import hidden, main_of

SLUG = "november"
LIST = "email,data_classes\nana@northwind.example,Passwords\nben@northwind.example,Passwords\n"
HARM = "<img src=x onerror=alert(1)> **bold** =1+1"


@pytest.fixture
def listed(portal, tmp_path, people):
    """An incident whose active list has two people with accounts."""
    for name in ("ana", "ben"):
        people.add(f"{name}@northwind.example")
    portal("incidents", "create", SLUG, "--title", HARM, "--classes", "Email addresses")
    file = tmp_path / "list.csv"
    file.write_text(LIST)
    portal("exposure", "import", SLUG, file, "--activate", "--widen", "--replace")
    return file


@pytest.fixture
def counted(office, listed):
    """Has somebody count, and the worker do it; returns the page of the count."""

    def count(browser, subject=SLUG):
        target = press(browser, "/resets/", "/resets/", subject=subject).location
        assert Runs(office.parts).step() == 1
        return target

    return count


def locked(db):
    with db.read() as session:
        return session.scalar(select(func.count()).where(AccountState.must_reset.is_(True)))


def approved(office, browser, approver):
    """What comes of a colleague's approval of the request that `browser` is on."""
    [place, *_others] = re.findall("/approvals/[0-9a-f]{32}/", browser.get("/approvals/").text)
    theirs = office.sign_in(approver)
    return press(theirs, place, f"{place}approve/", code=approver.code())


def test_it_is_counted_then_approved_then_done_once(office, counted, db):
    author, approver = office.as_role("author"), office.add("approver")
    page = counted(author)
    said = main_of(author.get(page).text)
    assert 'Passwords to lock</th><td class="number" data-fact="newly">2</td>' in said
    assert locked(db) == 0
    assert press(author, page, page, reason=HARM).location.startswith("/approvals/")
    assert "<img src=x" not in author.get("/approvals/").text
    assert approved(office, author, approver).status_code == 303
    assert locked(db) == 0
    assert Runs(office.parts).step() == 1
    assert locked(db) == 2
    assert Runs(office.parts).step() == 0
    said = main_of(author.get(page).text)
    assert 'Passwords locked</th><td class="number" data-fact="newly">2</td>' in said
    with db.read() as session:
        entry = session.scalar(select(AuditEntry).where(AuditEntry.action == "reset.required"))
    assert f'"approved_by":"staff {approver.id.hex()}"' in entry.details


def test_a_count_that_finds_nothing_says_why_and_cannot_be_asked_for(office, counted, listed, portal):
    listed.write_text("email,data_classes\nzoe@northwind.example,Passwords\n")
    portal("exposure", "import", SLUG, listed, "--activate", "--widen", "--replace")
    author = office.as_role("author")
    page = counted(author)
    said = main_of(author.get(page).text)
    assert "has an account here under the address on the list" in said
    assert "Ask for approval" not in said
    press(author, page, page, reason="Passwords were stolen")
    assert "/approvals/" not in main_of(author.get("/approvals/").text)


def test_a_new_version_of_the_list_voids_the_request(office, counted, listed, portal, db):
    author, approver = office.as_role("author"), office.add("approver")
    page = counted(author)
    press(author, page, page, reason="Passwords were stolen")
    listed.write_text(LIST + "cleo@northwind.example,Passwords\n")
    portal("exposure", "import", SLUG, listed, "--activate", "--widen", "--replace")
    answer = approved(office, author, approver)
    assert answer.status_code == 422
    assert "This changed after it was asked for." in answer.text
    assert Runs(office.parts).step() == 0
    assert locked(db) == 0


def test_a_run_that_was_made_without_the_workers_keys_is_not_done(office, counted, db):
    page = counted(office.as_role("admin"), subject="*")
    with db.write() as session:
        session.execute(update(ResetRun).values(state="approved"))
    Runs(office.parts).step()
    assert locked(db) == 0
    assert "Somebody changed this in the database." in office.as_role("privacy").get(page).text


@pytest.mark.sqlite
def test_a_worker_that_stops_leaves_the_count_to_the_next(office, listed, db):
    browser = office.as_role("author")
    page = press(browser, "/resets/", "/resets/", subject="*").location
    with db.write() as session:
        values = {"lease": b"l" * 16, "changed_at": office.clock.now()}
        session.execute(update(ResetRun).values(values))
    assert Runs(office.parts).step() == 0
    office.clock.advance(timedelta(minutes=3))
    assert Runs(office.parts).step() == 1
    assert 'Accounts found</th><td class="number" data-fact="accounts">2</td>' in browser.get(page).text


@pytest.mark.sqlite
@pytest.mark.parametrize(("role", "status"), [("support", 403), ("approver", 200)])
def test_who_may_not_begin_one(office, listed, db, role, status):
    browser = office.as_role(role)
    answer = browser.post("/resets/", data=hidden(browser.get("/").text) | {"subject": SLUG})
    assert answer.status_code == status
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(ResetRun)) == 0


def test_a_page_follows_the_work_and_says_what_it_came_to_so_far(office, counted, db):
    browser, approver = office.as_role("author"), office.add("approver")
    page = press(browser, "/resets/", "/resets/", subject=SLUG).location
    waiting = browser.get(page)
    assert f'data-live="{page}progress" data-state="counting"' in waiting.text
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in waiting.text
    answer = browser.get(f"{page}progress")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json == {"state": "counting", "facts": {}, "percent": 0, "words": "0 people read."}
    assert Runs(office.parts).step() == 1
    assert "data-live" not in browser.get(page).text
    press(browser, page, page, reason="Passwords were stolen")
    approved(office, browser, approver)
    with db.write() as session:  # as the worker writes it while it goes on
        begun = {
            "subject": SLUG,
            "list_version": 1,
            "started_at": office.clock.now(),
            "newly": 1,
            "people": 1,
        }
        session.add(Requirement(id=b"r" * 16, cursor=b"", mails=1, **begun))
        session.execute(update(ResetRun).values(done=1, total=2))
    told = browser.get(f"{page}progress").json
    assert (told["state"], told["percent"], told["words"]) == ("approved", 50, "1 of 2 people read.")
    assert (told["facts"]["newly"], told["facts"]["mails"]) == ("1", "1")
    said = main_of(browser.get(page).text)
    assert 'Passwords locked</th><td class="number" data-fact="newly">1</td>' in said
    assert "So far" in said
    assert office.as_role("support").get(f"{page}progress").status_code == 403
