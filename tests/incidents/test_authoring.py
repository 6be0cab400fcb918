"""Authors' files: what is taken in, and what is refused with its line."""

from datetime import UTC, datetime, timedelta

import pytest

from portal.incidents import authoring
from portal.incidents.authoring import FileInvalid
from portal.incidents.writing import Notify
from tests.incidents.conftest import SPANISH, STATEMENT

LANGUAGES = ("en", "es")
SECTIONS = [
    "What happened",
    "What information was involved",
    "What we are doing",
    "What you can do",
    "For more information",
]
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def statement(text: str | bytes):
    return authoring.read_statement(text.encode() if isinstance(text, str) else text, LANGUAGES)


def update(text: str | bytes, zone: str = "UTC", **given):
    content = text.encode() if isinstance(text, str) else text
    read = authoring.read_update(content, LANGUAGES, zone, NOW, **({"phase": None, "title": None} | given))
    return read.text


def occurred(value: str, zone: str = "UTC") -> datetime:
    moment = update(f"---\noccurred_at: {value}\n---\nText.\n", zone).occurred_at
    assert moment is not None
    return moment


def refusal(read, text: str | bytes) -> str:
    with pytest.raises(FileInvalid) as refused:
        read(text)
    return str(refused.value)


def test_a_statement_has_an_apology_and_five_sections():
    read = statement(STATEMENT)
    assert read.text.title == "Your booking was copied"
    assert (read.text.signed_by, read.text.role, read.text.note) == ("Ana Ruiz", "Managing director", None)
    assert read.text.apology == "We are sorry. We did not keep your booking safe."
    assert [section.heading for section in read.text.sections] == SECTIONS
    assert read.text.sections[1].text == "- your name\n- your e-mail address"
    assert read.missing == []


def test_sections_in_another_language_keep_their_authors_headings():
    read = statement(SPANISH)
    assert read.text.language == "es"
    assert [section.heading for section in read.text.sections][:2] == [
        "Qué ha pasado",
        "Qué información se vio afectada",
    ]


def test_a_missing_section_is_told_and_not_refused():
    without = STATEMENT.partition("## What you can do")[0] + "## For more information\n\nCall us.\n"
    assert statement(without).missing == ["What you can do"]


def test_sections_are_shown_in_their_usual_order_whatever_the_files():
    head, _, rest = STATEMENT.partition("## What happened")
    first, second, *others = ("What happened" + rest).split("## ")
    swapped = head + "## " + "## ".join([second, first, *others])
    assert [section.heading for section in statement(swapped).text.sections] == SECTIONS


def test_a_heading_in_a_code_block_begins_no_section():
    read = statement(STATEMENT.replace("Call us.", "```\n## What happened\n```"))
    assert read.text.sections[4].text == "```\n## What happened\n```"


def test_a_link_defined_at_the_end_works_in_every_part():
    read = statement(
        STATEMENT.replace("We are sorry.", "We are [sorry][s].") + "\n[s]: https://example.org/a_b\n"
    )
    assert "[S]: <https://example.org/a_b>" in read.text.apology


def test_a_file_from_windows_reads_the_same():
    windows = "\ufeff" + STATEMENT.replace("\n", "\r\n")
    assert statement(windows).text == statement(STATEMENT).text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("signed_by: Ana Ruiz\n", ""), "signed_by: is required"),
        (
            ("title: Your", "titel: Your"),
            "line 2: 'titel' is not one of title, language, signed_by, role, note, summary",
        ),
        (
            ("language: en", "language: fr"),
            "line 3: language: fr is not offered by this site; it must be one of en, es",
        ),
        (("language: en", "language"), "line 3: must be `key: value` on one line"),
        (("language: en", "title: Again"), "line 3: title: is given twice, first in line 2"),
        (("role: Managing director", "role:"), "line 5: role: has no value"),
        (
            ("role: Managing", "role: Man\u202eaging"),
            "line 5: role: contains a character that cannot be displayed",
        ),
        (("title: Your", "title: " + "Y" * 201), "line 2: title: is longer than 200 characters"),
        (("role: Managing director\n---\n", "role: x\n"), "line 1: the front matter is not closed"),
        (("We are sorry. We did not keep your booking safe.", ""), "line 7: the apology is missing"),
        (("## What happened", "## What went on"), None),
        (("## What happened", "## What you can do"), "line 22: this section appears twice"),
        (("Someone copied our bookings on 3 November 2026.", ""), "line 9: this section is empty"),
        (
            ("Call us.", "Call us.\n\n## And more\n\nThings."),
            "line 30: unknown heading “And more”; the ## headings are: What happened;",
        ),
    ],
)
def test_a_fault_is_named_with_its_line(change, told):
    text = STATEMENT.replace(*change)
    assert text != STATEMENT
    if told is None:
        assert (
            statement(text).text.sections[0].heading == "What went on"
        )  # five of them: their places say which
    else:
        assert told in refusal(statement, text)


def test_what_is_not_text_is_refused():
    assert (
        refusal(statement, STATEMENT.encode("utf-16")) == "line 1: is not UTF-8 text; save the file as UTF-8"
    )
    assert (
        refusal(statement, STATEMENT.encode() + "Größe".encode("latin-1"))
        == "line 29: is not UTF-8 text; save the file as UTF-8"
    )
    assert (
        refusal(statement, STATEMENT.replace("sorry", "so\0rry"))
        == "line 7: contains a control character; delete it"
    )
    assert (
        refusal(statement, STATEMENT.replace("sorry", "so\x1b[31mrry"))
        == "line 7: contains a control character; delete it"
    )
    assert (
        refusal(statement, STATEMENT.replace("sorry", "so\uffffrry"))
        == "line 7: contains a control character; delete it"
    )
    assert "line 1: the apology is missing; write it before" in refusal(statement, b"")


def test_a_huge_file_is_refused():
    assert refusal(statement, STATEMENT + "x" * 200_000) == "is larger than 200 kB"


def test_an_update_needs_no_front_matter():
    read = update("It is *closed*.\n", phase="contained", title="Closed")
    assert (read.phase, read.title, read.body) == ("contained", "Closed", "It is *closed*.")
    assert (read.language, read.occurred_at, read.notify) == ("en", None, Notify.UNCHANGED)


def test_an_update_says_what_its_front_matter_says():
    read = update("---\noccurred_at: 2026-11-03T14:30Z\nlanguage: es\nnotify: true\n---\nCerrado.\n")
    assert (read.language, read.notify) == ("es", Notify.YES)
    assert read.occurred_at == datetime(2026, 11, 3, 14, 30, tzinfo=UTC)


def test_a_time_without_an_offset_is_the_organisations():
    assert occurred("2026-11-03 14:30", "Europe/Berlin") == datetime(2026, 11, 3, 13, 30, tzinfo=UTC)
    assert occurred("2026-07-03 14:30", "Europe/Berlin") == datetime(2026, 7, 3, 12, 30, tzinfo=UTC)
    assert occurred("2026-11-03T14:30:00+05:30", "Europe/Berlin") == datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
    assert occurred("2026-11-03", "Europe/Berlin") == datetime(2026, 11, 2, 23, 0, tzinfo=UTC)


def test_a_clock_may_be_five_minutes_ahead_and_an_event_thirty_years_ago():
    assert occurred("2026-11-23T09:05Z") == NOW + timedelta(minutes=5)
    assert occurred("1996-11-24") == datetime(1996, 11, 24, tzinfo=UTC)


def test_a_note_has_2000_characters_at_most():
    noted = STATEMENT.replace(
        "role: Managing director\n", "role: Managing director\nnote: " + "N" * 2000 + "\n"
    )
    assert statement(noted).text.note == "N" * 2000
    longer = noted.replace("N" * 2000, "N" * 2001)
    assert refusal(statement, longer) == "line 6: note: is longer than 2000 characters"


def test_a_title_has_200_characters_at_most():
    assert statement(STATEMENT.replace("Your booking was copied", "Y" * 200)).text.title == "Y" * 200


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("occurred_at: yesterday", "line 2: occurred_at: must be a time or a date like"),
        ("occurred_at: 2026-02-30", "line 2: occurred_at: must be a time or a date like"),
        (
            "occurred_at: 2026-11-24T09:00Z",
            "line 2: occurred_at: is in the future; it is now 2026-11-23T09:00Z",
        ),
        ("occurred_at: 2026-11-23T09:05:01Z", "line 2: occurred_at: is in the future"),
        ("occurred_at: 9999-12-31T23:59-23:59", "line 2: occurred_at: is in the future"),
        ("occurred_at: 1970-01-01", "line 2: occurred_at: lies more than 30 years back"),
        ("occurred_at: 0001-01-01T00:00+23:59", "line 2: occurred_at: lies more than 30 years back"),
        ("notify: perhaps", "line 2: notify: must be true or false"),
        ("phase: solved", "line 2: phase: must be one of detected, contained"),
        ("author: me", "line 2: 'author' is not one of phase, title, occurred_at, language, notify"),
    ],
)
def test_a_fault_in_an_update_is_named_with_its_line(line, told):
    assert told in refusal(update, f"---\n{line}\n---\nText.\n")


def test_an_update_without_words_is_refused():
    assert refusal(update, "---\nnotify: true\n---\n\n") == "line 4: the text is missing"


def test_a_file_and_a_command_that_disagree_are_refused():
    with pytest.raises(FileInvalid, match="line 2: phase: differs from the command line"):
        update("---\nphase: contained\n---\nText.\n", phase="detected")
    assert update("---\nphase: contained\n---\nText.\n", phase="contained").phase == "contained"
