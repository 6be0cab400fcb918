"""The list of whom a notice did not reach: approved by a second person, sealed, and taken once."""

import csv
import io
import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from portal.audit.models import AuditEntry
from portal.campaigns import failed, jobs
from portal.campaigns.tasks import exporting
from portal.campaigns.tasks import jobs as task_jobs
from portal.campaigns.tasks.models import NoticeTask, TaskChunk
from portal.campaigns.tasks.work import Tasks
from portal.outbox import jobs as outbox_jobs
from portal.worker import drain
from tests.campaigns.conftest import SLUG, numbered
from tests.campaigns.test_series import start
from tests.colleagues import press

PAGE = f"/notices/{SLUG}/1/unreached/"
HARM = "=HYPERLINK(1)"


@pytest.fixture
def go(operator, worker_parts):
    def run():
        for _ in range(2):
            jobs.resume(worker_parts)
            outbox_jobs.count_changed(worker_parts)
            drain(worker_parts)
        outbox_jobs.count_changed(worker_parts)

    return run


@pytest.fixture
def stopped(operator, smtp, go, clock):
    """A notice to 9 people, of whom the mails of 4 were sent or failed when the rest was stopped."""
    smtp.answer_recipient = lambda address: "550 5.1.1 no" if address.startswith("p3@") else "250 OK"
    operator.live(numbered(9).replace("Person 3", HARM).replace("Person 5", "Ñandú; “Łódź”"))
    at = (clock.now() + timedelta(hours=1)).isoformat()
    start(operator, "--wave", "4", "--wave", f"rest@{at}")
    go()
    assert operator.run("stop", SLUG, "--reason", "the date is wrong").exit_code == 0
    go()
    return {address for mail in smtp.messages for address in mail.recipients}


@pytest.fixture
def made(office, stopped):
    """Asked for by an author, approved by somebody else, and made; returns both and the request's page."""
    author, ben = office.as_role("author"), office.add("approver", name="Ben")
    asked = press(author, PAGE, f"{PAGE}ask/", reason="We write letters").location
    assert re.fullmatch(r"/approvals/[0-9a-f]{32}/", asked)
    approver = office.sign_in(ben)
    shown = approver.get(asked).text
    assert "Download a list of people" in shown
    assert f'</time>. <a href="{asked}">See what was asked for</a>' in author.get(PAGE).text
    assert "We write letters" in shown
    assert press(approver, asked, f"{asked}approve/", code=ben.code()).status_code == 303
    assert Tasks(office.parts).step() == 1
    return author, approver, asked


def rows_of(answer):
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"), newline="")))


def take(browser):
    return press(browser, PAGE, f"{PAGE}file/")


def test_everyone_who_was_not_told_is_on_it_and_it_is_taken_once(made, office, stopped, db):
    author, approver, _asked = made
    assert "Only the person who asked for it can download it" in approver.get(PAGE).text
    assert take(approver).status_code == 403
    other = office.as_role("privacy")
    assert "Only the person who asked" in take(other).text
    answer = take(author)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="november-notice-1-not-reached.csv"'
    assert answer.headers["Cache-Control"] == "no-store"
    rows = rows_of(answer)
    addresses = [row["email"] for row in rows]
    everyone = {f"p{number}@northwind.example" for number in range(9)}
    assert len(addresses) == len(set(addresses))
    assert set(addresses) == everyone - stopped, "nobody is missed, and nobody listed who was told"
    reasons = {row["email"]: row["reason"] for row in rows}
    assert {"not-queued"} <= set(reasons.values()) <= {"smtp-550", "not-queued"}
    names = {row["email"]: row["name"] for row in rows}
    assert names.get("p3@northwind.example", f"'{HARM}") == f"'{HARM}"
    assert names.get("p5@northwind.example", "Ñandú; “Łódź”") == "Ñandú; “Łódź”"
    assert "is over" in take(author).text
    with db.read() as session:
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "campaigns.file-taken"))
        assert f'"people":{len(rows)}' in entry.details.replace(" ", "")
        assert session.scalars(select(NoticeTask)).one().file_key is None


def test_a_list_of_somebody_else_does_not_hide_ones_own(made, office):
    author, approver, _asked = made
    other = office.as_role("author")
    again = press(other, PAGE, f"{PAGE}ask/", reason="We call them").location
    ben = office.people["Ben"]
    office.advance(timedelta(minutes=1))
    assert press(approver, again, f"{again}approve/", code=ben.code()).status_code == 303
    assert Tasks(office.parts).step() == 1
    first = rows_of(take(author))
    assert rows_of(take(other)) == first


def test_a_thief_of_the_database_learns_how_many_and_nothing_else(made, office, db):
    with db.read() as session:
        chunks = session.scalars(select(TaskChunk)).all()
        task = session.scalars(select(NoticeTask)).one()
        assert [len(one.content) for one in chunks] == [64 * 1024 + 32]
        assert len(task.file_key) == 64 + 28
        stored = b"".join(one.content for one in chunks) + task.file_key + task.fields.encode()
    for told in (b"northwind", b"Person", b"HYPERLINK", b"not-queued"):
        assert told not in stored
    office.advance(timedelta(hours=1))
    task_jobs.tidy(office.parts)
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(TaskChunk)) == 0
        assert session.scalars(select(NoticeTask)).one().file_key is None


def test_after_an_hour_it_is_gone_and_a_new_one_needs_approval(made, office):
    _author, _approver, asked = made
    office.advance(timedelta(minutes=61))
    author = office.sign_in(office.people["Author0"])
    assert "its hour is over" in take(author).text
    answer = press(author, PAGE, f"{PAGE}ask/", reason="Again")
    assert answer.location.startswith("/approvals/")
    assert answer.location != asked


@pytest.mark.parametrize(
    "forgery",
    [
        "acting = replace(acting, 'staff', 'staff ')",
        "state = 'ready', notice = 2",
        "people = 1",
        "chunks = 0",
    ],
)
def test_a_row_that_was_altered_opens_nothing(made, db, forgery):
    with db.write() as session:
        session.execute(text(f"UPDATE notice_tasks SET {forgery}"))
    answer = take(made[0])
    assert (answer.status_code, answer.mimetype) in ((422, "text/html"), (404, "text/html"))


def test_a_task_that_was_made_without_the_workers_keys_is_not_done(made, office, db):
    with db.write() as session:
        session.execute(update(NoticeTask).values(state="waiting", lease=None))
        session.execute(text("DELETE FROM notice_task_chunks"))
    Tasks(office.parts).step()
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(TaskChunk)) == 0
        assert session.scalars(select(NoticeTask)).one().fault == "notice-task"


def test_what_changed_after_it_was_asked_for_is_not_listed(office, operator, stopped, go):
    author, ben = office.as_role("author"), office.add("approver", name="Ben")
    asked = press(author, PAGE, f"{PAGE}ask/", reason="Letters").location
    approver = office.sign_in(ben)
    with operator.db.write() as session:
        session.execute(text("UPDATE notices SET written = written + 1"))
    answer = press(approver, asked, f"{asked}approve/", code=ben.code())
    assert answer.status_code == 422
    assert "This changed after it was asked for." in answer.text
    assert Tasks(office.parts).step() == 0


def test_nobody_is_missed_or_listed_twice_where_a_worker_dies_in_between(
    office, stopped, db, monkeypatch, worker_parts
):
    monkeypatch.setattr(exporting, "CHUNK", 100)
    author, ben = office.as_role("author"), office.add("approver", name="Ben")
    asked = press(author, PAGE, f"{PAGE}ask/", reason="Letters").location
    press(office.sign_in(ben), asked, f"{asked}approve/", code=ben.code())
    whole = exporting.pieces

    class Killed(BaseException):
        pass

    def dies(rows):
        for number, piece in enumerate(whole(rows)):
            if number == 2:
                raise Killed
            yield piece

    monkeypatch.setattr(exporting, "pieces", dies)
    with pytest.raises(Killed):
        Tasks(office.parts).step()
    monkeypatch.setattr(exporting, "pieces", whole)
    assert Tasks(office.parts).step() == 0, "its lease holds"
    assert "being made" in author.get(PAGE).text
    assert author.get(f"{PAGE}progress").json["state"] == "waiting"
    office.advance(timedelta(minutes=3))
    assert Tasks(office.parts).step() == 1
    addresses = [row["email"] for row in rows_of(take(author))]
    assert sorted(addresses) == sorted({f"p{number}@northwind.example" for number in range(9)} - stopped)
    with db.read() as session:
        lengths = {len(one.content) for one in session.scalars(select(TaskChunk))}
    assert lengths == {100 + 32}


def test_an_approval_that_is_done_again_after_a_crash_makes_no_second_list(made, office, db):
    _author, _approver, asked = made
    fields = {"incident": SLUG, "notice": "1", "copy": "1", "request": asked.split("/")[2]}
    assert exporting.perform(office.parts, fields, {}) == {"notice": 1}
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(NoticeTask)) == 1


def test_of_a_long_list_no_piece_is_larger_than_the_others():
    rows = [failed.Unreached(f"p{n}@x.example", "N" * 200, str(n), "stopped") for n in range(3000)]
    pieces = list(exporting.pieces(rows))
    assert len(pieces) == 11
    assert max(len(piece) for piece in pieces) <= 64 * 1024
    assert len(list(csv.reader(io.StringIO(b"".join(pieces).decode("utf-8-sig"), newline="")))) == 3001
