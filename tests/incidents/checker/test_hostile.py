"""Whatever bytes come, the checker answers with findings, and its work grows with the text, not faster."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.incidents.checker import phrases
from portal.incidents.checker.files import check_statement_file, check_update_file, is_update
from portal.incidents.checker.findings import as_lines
from portal.incidents.checker.site import Site
from portal.incidents.times import TimeInvalid, as_typed, parse_time

SITE = Site(("en", "es"), base_url="https://portal.example", incidents={}, contact=False)
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PIECES = st.sampled_from(
    [
        "---\n", "title: x\n", "Signed by: “x”\n", "role:",
        "language: de\n", "occurred_at: 2026-03-29 01:30\n",
        "note: TBC\n", "## What happened\n", "# A\n", "**What happened**\n", "[a](../1/)", "[x]: <#> 'y'\n",
        "![a](b)", "<b>", "<!--", "[NAME]", "{{x}}", "https://[::1", "www.a.b”", "a@b.c", "|a|b|\n|-|-|\n",
        "We take ", "seriously", "may\nhave", "\u00a0", "\u202e", "\x0b", "\n\n", "    ", "- ", "> ", "`",
        "\\",
        "&#0;", "\ud7ff", "🦉", "[^1]", "~~x~~", "SEC-123", "//a/b", "[a](//)", "[a](http://[)", "…",
        "XX", "___",
    ]
)  # fmt: skip


def told(content: bytes) -> None:
    is_update(content)
    for findings in (
        check_statement_file(content, SITE, page="/incidents/x/").findings,
        check_update_file(content, SITE, "Europe/London", NOW, page="/incidents/x/updates/1/").findings,
    ):
        assert len(list(as_lines(findings))) >= len(findings)


@given(st.lists(PIECES, max_size=40).map("".join))
@settings(max_examples=60, deadline=None)
def test_no_text_makes_it_raise(text):
    told(text.encode("utf-8"))


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_no_bytes_make_it_raise(content):
    told(content)
    told(b"---\ntitle: x\n---\n" + content)


@given(st.text(max_size=40) | st.datetimes().map(str) | st.dates().map(str))
@settings(max_examples=40, deadline=None)
def test_no_time_makes_it_raise(value):
    for zone in ("Europe/London", "Pacific/Apia", "UTC"):
        try:
            when = parse_time(value, zone)
        except TimeInvalid as error:
            assert error.code in ("time-invalid", "time-in-gap", "time-twice")  # noqa: PT017 - or none is raised
        else:
            assert when.at.tzinfo is not None


@pytest.mark.parametrize(
    ("value", "zone", "examples"),
    [
        ("2026-03-29 02:30", "Europe/Berlin", ("2026-03-29 01:59", "2026-03-29 03:00")),
        ("2011-12-30 12:00", "Pacific/Apia", ("2011-12-29 23:59", "2011-12-31 00:00")),
        ("2026-10-25 02:30", "Europe/Berlin", ("2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00")),
        ("2026-04-05 01:45", "Australia/Lord_Howe", ("2026-04-05T01:45+11:00", "2026-04-05T01:45+10:30")),
    ],
)
def test_an_hour_that_is_none_or_two_is_told_with_what_can_be_meant(value, zone, examples):
    with pytest.raises(TimeInvalid) as refused:
        parse_time(value, zone)
    assert refused.value.examples == examples
    for example in examples:
        parse_time(example, zone)


@pytest.mark.parametrize(
    ("at", "zone", "typed"),
    [
        ("2026-11-30T17:00:25.5+00:00", "Europe/Madrid", "2026-11-30 18:00"),
        ("2026-11-30T17:00+00:00", "UTC", "2026-11-30 17:00"),
        ("2026-10-25T01:30+00:00", "Europe/Berlin", "2026-10-25 02:30+01:00"),
        ("2026-10-25T00:30+00:00", "Europe/Berlin", "2026-10-25 02:30+02:00"),
    ],
)
def test_a_time_is_written_as_somebody_types_it_and_read_back(at, zone, typed):
    moment = datetime.fromisoformat(at)
    assert as_typed(moment, zone) == typed
    assert parse_time(typed, zone).at == moment.replace(second=0, microsecond=0)


def test_of_a_fault_that_comes_thousands_of_times_the_first_twenty_are_told():
    read = check_update_file(b"TBC <b>x</b>\n\n" * 1_000, SITE, "UTC", NOW)
    codes = [one.code for one in read.findings]
    assert codes.count("placeholder") == 21
    assert [str(one) for one in read.findings if one.line is None and one.code == "html"] == [
        "980 more of these (html)"
    ]


def test_no_phrase_repeats_without_a_bound_what_repeats():
    """Such a pattern takes time that grows faster than the text (catastrophic backtracking)."""
    for language in ("en", "es", "de", "fr"):
        words = phrases.words_of(language)
        patterns = [pattern.pattern for pattern, _ in (*words.hedges, *words.not_apologies)]
        assert len(patterns) > 40
        assert [one for one in patterns if re.search(r"[*+]\)(?:[*+?]|\{)", one)] == []
