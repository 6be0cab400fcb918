"""A notice is bound to who is left out of it: nobody leaves others out alone after it was approved."""

import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from portal.audit.models import AuditEntry
from portal.campaigns import jobs
from portal.outbox import jobs as outbox_jobs
from portal.worker import drain
from tests.campaigns.conftest import SLUG, STATEMENT, numbered
from tests.campaigns.test_console import draft_and_ask, led_to, notices, text_of
from tests.campaigns.test_series import start, status
from tests.colleagues import press
from tests.commands import context, portal

__all__ = ["context", "portal"]
ONE = f"/notices/{SLUG}/1/"
LEAVE = f"/lists/{SLUG}/left-out/"


@pytest.fixture
def told(operator):
    operator.statement(STATEMENT)
    operator.live(numbered(9))
    return operator


@pytest.fixture
def go(worker_parts):
    def run():
        jobs.resume(worker_parts)
        outbox_jobs.count_changed(worker_parts)
        drain(worker_parts)
        outbox_jobs.count_changed(worker_parts)

    return run


def leave_out(browser, number, reason="died", **more):
    fields = {"email": f"p{number}@northwind.example", "ref": str(number), "reason": reason} | more
    return led_to(browser.submit(LEAVE, **fields))


def approve(office, ben, asked):
    browser = office.sign_in(ben)
    digest = re.findall(r'name="digest" value="([0-9a-f]+)"', text_of(browser, asked))[0]
    return browser, press(browser, asked, f"{asked}approve/", digest=digest, code=ben.code())


def test_the_second_person_sees_how_many_are_left_out_and_why(told, office, smtp, go):
    author, ben = office.as_role("author"), office.add("approver", name="Ben")
    leave_out(author, 1)
    leave_out(author, 2, reason="staff")
    asked = draft_and_ask(author)
    approver, answer = approve(office, ben, asked)
    shown = text_of(approver, asked)
    assert answer.status_code == 303
    for said in ("Left out on request", "2 people", "They died: 1", "They work here, and know: 1"):
        assert said in shown
    assert "Addresses that get no email because of it</dt><dd>2</dd>" in shown
    assert "p1@" not in shown
    go()
    assert len(notices(smtp)) == 7


def test_leaving_somebody_out_voids_what_was_asked_for(told, office, smtp, go):
    author, ben = office.as_role("author"), office.add("approver", name="Ben")
    asked = draft_and_ask(author)
    browser = office.sign_in(ben)
    digest = re.findall(r'name="digest" value="([0-9a-f]+)"', text_of(browser, asked))[0]
    leave_out(author, 1)
    assert "This changed after it was asked for" in text_of(browser, asked)
    answer = press(browser, asked, f"{asked}approve/", digest=digest, code=ben.code())
    assert answer.status_code == 422
    assert "This draft can’t start." in text_of(author, ONE)
    assert "1 more left out: They died" in text_of(author, ONE)
    again = press(author, ONE, f"{ONE}ask/", note="x")
    assert "Edit it and save it." in again.text
    leave_out(author, 1, do="remove")  # the same people again
    assert press(browser, asked, f"{asked}approve/", digest=digest, code=ben.code()).status_code == 303
    go()
    assert len(notices(smtp)) == 9


def test_a_notice_pauses_itself_when_somebody_is_left_out_and_another_lets_it_go_on(
    told, office, smtp, go, clock, db
):
    author = office.add("author", "approver", name="Eva")
    browser, ben = office.sign_in(author), office.add("approver", name="Ben")
    at = f"{clock.now() + timedelta(minutes=1):%Y-%m-%d %H:%MZ}"
    asked = draft_and_ask(browser, first_size="4", rest_at=at)
    approver, answer = approve(office, ben, asked)
    assert answer.status_code == 303
    for number in range(9):
        leave_out(browser, number)
    go()
    assert notices(smtp) == []
    assert "Paused" in text_of(browser, ONE)
    assert "1 more left out: They died" in text_of(browser, ONE)
    office.confirm(browser, author)
    press(browser, ONE, f"{ONE}resume/")
    assert "another approver must let it go on" in text_of(browser, ONE)
    for number in range(1, 9):
        leave_out(browser, number, do="remove")
    office.confirm(approver, ben)
    press(approver, ONE, f"{ONE}resume/")
    for _ in range(3):
        go()
    assert sorted(notices(smtp)) == [f"p{number}@northwind.example" for number in range(1, 9)]
    (notice,) = status(told)
    assert (notice["left_out"], notice["adds_up"]) == (1, True)
    with db.read() as session:
        held = session.query(AuditEntry).where(AuditEntry.action == "campaigns.pause").one()
    assert json.loads(held.details) == {"notice": 1, "reason": "left-out people changed"}


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE exposure_left_out_sets SET people = 0",
        "UPDATE exposure_left_out_sets SET history = '[]'",
        "UPDATE notices SET without = ''",
        "UPDATE notices SET without = replace(without, '1', '2')",
    ],
)
def test_who_can_write_the_database_changes_nothing_of_it(told, office, smtp, go, db, forgery, caplog):
    author, ben = office.as_role("author"), office.add("approver", name="Ben")
    leave_out(author, 1)
    asked = draft_and_ask(author)
    _browser, answer = approve(office, ben, asked)
    assert answer.status_code == 303
    with db.write() as session:
        session.execute(text(forgery))
    go()
    assert notices(smtp) == []


def test_the_operators_own_notice_is_bound_too_where_it_is_drafted(told, smtp, go, portal, tmp_path):
    start(told)
    file = tmp_path / "except.csv"
    file.write_text("email,account_ref\np1@northwind.example,1\n")
    portal("exposure", "except", "add", SLUG, file)
    go()
    assert notices(smtp) == []
    assert told.run("resume", SLUG).exit_code == 0
    go()
    assert len(notices(smtp)) == 8
