"""A time in words, as mails and pages say it."""

from datetime import UTC, datetime

import pytest

from portal.core.dates import day, moment

AT = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "zone", "told"),
    [
        ("en", "UTC", "23 November 2026, 23:30 UTC"),
        ("en", "Europe/London", "23 November 2026, 23:30 UTC"),
        ("en", "Europe/Madrid", "23 November 2026, 23:30 UTC (24 November 2026, 00:30 Madrid)"),
        ("es", "UTC", "23 de noviembre de 2026, 23:30 UTC"),
        ("es", "America/Bogota", "23 de noviembre de 2026, 23:30 UTC (18:30 Bogotá)"),
    ],
)
def test_a_time_is_told_with_its_zone(language, zone, told):
    assert moment(AT, language, zone) == told


def test_a_day_is_the_one_of_the_zone():
    assert day(AT, "en") == "23 November 2026"
    assert day(AT, "es", "Asia/Tokyo") == "24 de noviembre de 2026"
