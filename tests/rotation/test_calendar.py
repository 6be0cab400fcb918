import re
from datetime import UTC, date, datetime, timedelta

import pytest

from portal.core.i18n import catalogue
from portal.rotation import ical

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def written(
    organisation: str = "Northwind", months: int = 3, first: date = date(2027, 2, 23), now: datetime = NOW
) -> bytes:
    return ical.calendar(
        catalogue("en"),
        host="incident.northwind.example",
        organisation=organisation,
        months=months,
        first=first,
        now=now,
    )


def lines(content: bytes) -> list[tuple[str, str]]:
    """Read a calendar as RFC 5545 says: unfold, then split each line at its first colon."""
    assert content.endswith(b"\r\n")
    unfolded = content.replace(b"\r\n ", b"").decode()
    parts = [line.partition(":") for line in unfolded.removesuffix("\r\n").split("\r\n")]
    return [(name, value) for name, _, value in parts]


def test_every_line_ends_with_crlf_and_has_at_most_75_octets():
    content = written(organisation="Übergrößen Ñandú 例え " * 8)
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert b"\r" not in content.replace(b"\r\n", b"")
    physical = content.split(b"\r\n")
    assert max(map(len, physical)) <= 75
    for line in physical:
        line.decode()  # no character is cut in two


def test_components_are_nested_and_closed():
    opened = []
    for name, value in lines(written()):
        if name == "BEGIN":
            opened.append(value)
        elif name == "END":
            assert opened.pop() == value
        else:
            assert opened, "a property stands outside of the calendar"
    assert opened == []


@pytest.mark.parametrize("months", [3, 6, 12])
def test_the_event_comes_back_in_the_chosen_interval(months):
    found = dict(lines(written(months=months)))
    assert found["RRULE"] == f"FREQ=MONTHLY;INTERVAL={months}"
    assert found["DTSTART;VALUE=DATE"] == "20270223"
    assert found["DTSTAMP"] == "20261123T090000Z"
    assert found["ACTION"] == "DISPLAY"
    assert found["TRIGGER"] == "PT9H"


@pytest.mark.parametrize("day", [29, 30, 31])
def test_no_month_is_left_out_for_being_short(day):
    assert dict(lines(written(first=date(2027, 1, day))))["DTSTART;VALUE=DATE"] == "20270128"


def test_a_file_with_another_interval_replaces_the_event():
    first, later = written(months=3), written(months=12, now=NOW + timedelta(days=40))
    before, after = dict(lines(first)), dict(lines(later))
    assert before["UID"] == after["UID"]
    assert int(after["SEQUENCE"]) > int(before["SEQUENCE"])


def test_text_from_the_settings_cannot_add_lines():
    content = written(organisation="A, B; C\\D\r\nATTACH:https://evil.example")
    names = [name for name, _ in lines(content)]
    assert "ATTACH" not in names
    summary = dict(lines(content))["SUMMARY"]
    assert "A\\, B\\; C\\\\D\\nATTACH" in summary


def test_it_holds_no_link_and_nobody():
    content = written().decode()
    assert not re.search(r"https?:|mailto:|ATTENDEE|ORGANIZER", content)
