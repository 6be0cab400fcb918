"""The list of whom a notice did not reach has those whom its approver saw counted, and nobody else."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.campaigns import failed, jobs
from portal.campaigns.models import Campaign
from portal.campaigns.tasks.models import NoticeTask
from portal.campaigns.tasks.work import Tasks
from portal.exposure.models import ExposureList
from tests.campaigns.conftest import SLUG, numbered
from tests.campaigns.test_series import start
from tests.campaigns.test_unreached import PAGE, go, rows_of, take  # noqa: F401 - a fixture
from tests.colleagues import press

NOTICE = f"/notices/{SLUG}/1/"


def asked_for_the_list(office, operator, go, clock):  # noqa: F811
    """The first wave of four is out, five more mails wait; an author asks Ben for the list of the missed."""
    operator.live(numbered(9))
    at = (clock.now() + timedelta(hours=1)).isoformat()
    start(operator, "--wave", "4", "--wave", f"rest@{at}")
    go()
    author, ben = office.as_role("author"), office.add("approver", name="Ben")
    return author, ben, press(author, PAGE, f"{PAGE}ask/", reason="Letters").location


@pytest.fixture
def approved(office, operator, smtp, go, clock):  # noqa: F811
    """A list of one failed address that was approved, and is not made yet; five more mails wait."""
    asked = []

    def answer(_address):
        asked.append(1)
        return "550 5.1.1 no" if len(asked) == 2 else "250 OK"

    smtp.answer_recipient = answer
    author, ben, request = asked_for_the_list(office, operator, go, clock)
    approver = office.sign_in(ben)
    assert press(approver, request, f"{request}approve/", code=ben.code()).status_code == 303
    return author


def test_a_running_notice_is_stopped_and_its_list_let_go(approved, office, db):
    assert press(approved, NOTICE, f"{NOTICE}stop/", reason="the date is wrong").status_code == 303
    jobs.hold(office.parts)
    with db.read() as session:
        assert session.scalars(select(Campaign)).one().state == "stopped"
        assert not session.scalars(select(ExposureList)).one().notifying


def test_it_has_whom_its_approver_saw(approved, office):
    assert Tasks(office.parts).step() == 1
    assert len(rows_of(take(approved))) == 1


def test_a_list_can_be_approved_while_more_mails_fail(office, operator, smtp, go, clock, db):  # noqa: F811
    smtp.answer_recipient = lambda _address: "550 5.1.1 no"
    _author, ben, request = asked_for_the_list(office, operator, go, clock)
    office.advance(timedelta(hours=1))
    go()
    again = office.sign_in(office.people["Author0"])
    assert f'href="{request}"' in again.get(PAGE).text, "it still waits"
    approver = office.sign_in(ben)
    assert "at most" in approver.get(request).text
    assert press(approver, request, f"{request}approve/", code=ben.code()).status_code == 303
    assert Tasks(office.parts).step() == 1
    with db.read() as session:
        assert session.scalars(select(NoticeTask)).one().people == 9


def test_a_notice_that_is_stopped_after_the_approval_puts_nobody_on_it(approved, office):
    assert press(approved, NOTICE, f"{NOTICE}stop/", reason="the date is wrong").status_code == 303
    assert Tasks(office.parts).step() == 1
    assert "This changed after it was asked for." in approved.get(PAGE).text
    assert take(approved).status_code == 422


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("Ana;=1+1", "Ana;'=1+1"),
        ('Ana; "@SUM(A1)', """Ana; "'@SUM(A1)"""),
        ("Ana\n=1+1", "Ana\n'=1+1"),
        ("Ñandú; “Łódź”", "Ñandú; “Łódź”"),
        ("a=b; c-d", "a=b; c-d"),
    ],
)
def test_no_part_of_a_cell_is_a_formula_where_lines_are_parted_at_semicolons(cell, written):
    assert failed.harmless(cell) == written
