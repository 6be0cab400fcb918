from datetime import UTC, datetime, timedelta

import pytest

from portal.core.db import new_id
from portal.rotation import service

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "months", "later"),
    [
        ("2026-11-23", 3, "2027-02-23"),
        ("2026-11-30", 3, "2027-02-28"),
        ("2027-11-30", 3, "2028-02-29"),
        ("2028-02-29", 12, "2029-02-28"),
        ("2026-12-31", 6, "2027-06-30"),
        ("2026-01-31", 12, "2027-01-31"),
    ],
)
def test_months_are_months_of_the_calendar(at, months, later):
    start = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert service.add_months(start, months) == datetime.fromisoformat(later).replace(tzinfo=UTC)


def test_a_choice_is_kept_changed_and_switched_off(db):
    account_id = new_id()
    with db.write() as session:
        assert service.chosen(session, account_id) == service.Chosen("off", None)
        service.choose(session, account_id, "3", NOW)
    with db.write() as session:
        assert service.chosen(session, account_id) == service.Chosen("3", datetime(2027, 2, 23, tzinfo=UTC))
        service.choose(session, account_id, "12", NOW + timedelta(days=1))
    with db.write() as session:
        assert service.chosen(session, account_id) == service.Chosen("12", datetime(2027, 11, 24, tzinfo=UTC))
        service.choose(session, account_id, "off", NOW)
    with db.read() as session:
        assert service.chosen(session, account_id) == service.Chosen("off", None)
        assert service.take_due(session, NOW + timedelta(days=4000), 10) == []


@pytest.mark.parametrize("interval", ["", "1", "0", "-3", "3 ", "never", "３", "24"])
def test_only_the_offered_intervals_are_taken(db, interval):
    with db.write() as session, pytest.raises(service.IntervalUnknown):
        service.choose(session, new_id(), interval, NOW)


def test_a_token_of_nobody_switches_nothing_off(db):
    account_id = new_id()
    with db.write() as session:
        service.choose(session, account_id, "6", NOW)
        service.switch_off(session, "a" * 32, NOW)
        assert not service.off_link_known(session, "a" * 32)
        assert service.chosen(session, account_id).interval == "6"
