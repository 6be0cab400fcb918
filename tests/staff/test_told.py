"""Approvers hear at once that something waits; what follows soon is gathered, and none of it is lost."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from portal.staff.approvals import telling
from portal.worker import drain
from tests.colleagues import press
from tests.staff.test_approvals import asked


@pytest.fixture
def mails(office):
    def count():
        with office.db.read() as session:
            found = text("SELECT count(*) FROM outbox_mails WHERE purpose = 'approval-needed'")
            return session.scalar(found)

    return count


@pytest.fixture
def ann(office):
    """An admin who asks; two others may approve."""
    office.add("admin", name="Ben")
    office.add("approver", name="Kim")
    return office.sign_in(office.add("admin", name="Ann"))


def pass_time(office, minutes):
    office.advance(timedelta(minutes=minutes))
    telling.tell_gathered(office.parts)


def test_who_asks_many_times_makes_one_mail_and_within_three_minutes_one_more(office, ann, mails):
    for turn in range(5):
        asked(office, ann, f"eve{turn}@northwind.example")
    assert mails() == 2  # one for each of the two who may approve
    pass_time(office, 1)
    assert mails() == 2
    pass_time(office, 1)
    assert mails() == 4
    pass_time(office, 2)
    pass_time(office, 2)
    assert mails() == 4


def test_the_gathered_mail_leads_to_the_list_and_does_not_leave_where_nothing_waits(
    office, ann, mails, smtp, worker_parts
):
    for turn in range(2):
        page = asked(office, ann, f"eve{turn}@northwind.example")
        assert press(ann, page, f"{page}withdraw/").status_code == 303
    pass_time(office, 3)
    assert mails() == 2
    office.confirm(ann, office.people["Ann"])
    for turn in range(2):
        asked(office, ann, f"bob{turn}@northwind.example")
    pass_time(office, 2)
    assert mails() == 6
    drain(worker_parts)
    to_list = re.findall(r"/approvals/\s", "".join(mail.text for mail in smtp.messages))
    assert len(to_list) == 2


def test_who_asks_reads_who_is_mailed_and_by_when(office, ann):
    page = asked(office, ann, "eve@northwind.example")
    said = "These people get an email within 3 minutes: Ben and Kim."
    assert said in ann.get(page).text


def test_where_nobody_else_can_approve_that_is_said(office):
    ann = office.sign_in(office.add("admin", name="Ann"))
    page = asked(office, ann, "eve@northwind.example")
    assert "nobody else can approve it" in ann.get(page).text


def test_after_two_quiet_minutes_the_next_request_is_mailed_at_once(office, ann, mails):
    asked(office, ann, "eve@northwind.example")
    pass_time(office, 2)
    office.confirm(ann, office.people["Ann"])
    asked(office, ann, "eve2@northwind.example")
    assert mails() == 4


def test_a_row_that_somebody_wrote_keeps_no_mail_back(office, ann, mails):
    asked(office, ann, "eve@northwind.example")
    with office.db.write() as session:
        session.execute(
            text("UPDATE staff_told SET until = :then"), {"then": office.clock.now() + timedelta(days=9)}
        )
    asked(office, ann, "eve2@northwind.example")
    assert mails() == 4


def test_the_list_shows_all_that_waits_whatever_was_mailed(office, ann):
    for turn in range(3):
        asked(office, ann, f"eve{turn}@northwind.example")
    kim = office.sign_in(office.people["Kim"])
    assert kim.get("/approvals/").text.count("Invite eve") == 3
