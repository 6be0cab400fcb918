"""Approvers hear at once that something waits; what follows soon is gathered, and none of it is lost."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from portal.staff.approvals import telling
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


def test_who_asks_and_withdraws_many_times_makes_one_mail_and_one_more(office, ann, mails):
    for turn in range(5):
        page = asked(office, ann, f"eve{turn}@northwind.example")
        assert press(ann, page, f"{page}withdraw/").status_code == 303
    assert mails() == 2  # one for each of the two who may approve
    pass_time(office, 14)
    assert mails() == 2
    pass_time(office, 1)
    assert mails() == 4
    pass_time(office, 15)
    pass_time(office, 15)
    assert mails() == 4


def test_after_a_quiet_quarter_of_an_hour_the_next_request_is_mailed_at_once(office, ann, mails):
    asked(office, ann, "eve@northwind.example")
    pass_time(office, 15)
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
