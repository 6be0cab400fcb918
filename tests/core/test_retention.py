"""How long things are kept: in days, with a least and a most, and the same periods where nothing is set."""

import pytest

from portal.core.settings import Settings
from tests.core.test_settings import GOOD, faults


def test_periods_are_days_and_the_records_of_sent_mails_are_kept_unless_there_is_one():
    kept = Settings.from_env(GOOD).retention
    assert [period and period.days for period in vars(kept).values()] == [180, 365, 30, 30, None]
    names = ("ACCOUNT_EVENTS", "CASES", "WAITING_REQUESTS", "UNSENT_MAILS", "SENT_MAILS")
    given = {f"PORTAL_RETENTION_{name}": str(400 + at) for at, name in enumerate(names)}
    read = Settings.from_env(GOOD | given).retention
    assert [period and period.days for period in vars(read).values()] == [400, 401, 402, 403, 404]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ACCOUNT_EVENTS", "29"),
        ("ACCOUNT_EVENTS", "3651"),
        ("CASES", "29"),
        ("CASES", "one year"),
        ("SENT_MAILS", "364"),
        ("SENT_MAILS", "0"),
        ("UNSENT_MAILS", "6"),
        ("WAITING_REQUESTS", "13"),
    ],
)
def test_a_period_that_is_too_short_too_long_or_none_is_refused(name, value):
    (fault,) = faults(**{f"RETENTION_{name}": value})
    assert fault.startswith(f"PORTAL_RETENTION_{name}: must be a number of days from ")
