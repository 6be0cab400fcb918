"""Files as authors really write them: what is taken, and what is told, all at once and with its line."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from portal.incidents.checker.files import (
    CheckedStatement,
    check_statement_file,
    check_update_file,
    is_update,
)
from portal.incidents.checker.findings import as_data, as_lines
from portal.incidents.checker.site import Numbers, Site

CASES = Path(__file__).parent / "cases"
SITE = Site(("en", "es"), incidents={"booking": Numbers(updates=(1, 2))})
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
FRONT = "---\ntitle: We lost your data\nsigned_by: Jane Doe\nrole: CEO\n---\n"


def case(name: str) -> bytes:
    return next(CASES.glob(f"{name}*")).read_bytes()


def statement(content: bytes | str) -> CheckedStatement:
    return check_statement_file(content.encode() if isinstance(content, str) else content, SITE)


def update(content: bytes | str, zone: str = "UTC", page: str = "/incidents/booking/updates/2/"):
    content = content.encode() if isinstance(content, str) else content
    return check_update_file(content, SITE, zone, NOW, page=page)


def told(read, weight: str = "stop") -> list[tuple[int | None, str]]:
    return [(one.line, one.code) for one in read.findings if one.weight.value == weight]


def test_without_front_matter_it_is_proposed_to_paste():
    read = statement(case("01"))
    assert told(read) == [(1, "front-matter-missing")]
    proposed = read.findings[0].example
    assert proposed == (
        "---\ntitle: Important security notice\nlanguage: en\nsigned_by: [NAME]\nrole: [ROLE]\n---"
    )
    filled = proposed.replace("[NAME]", "Jane Doe").replace("[ROLE]", "CEO").encode()
    pasted = statement(filled + b"\n" + case("01"))
    assert told(pasted) == []
    assert pasted.text is not None
    assert pasted.text.apology.startswith("Dear customers,")  # the heading is the title, said once
    assert [section.heading for section in pasted.text.sections] == [
        "What happened?",
        "Which data is affected",
        "What we're doing",
        "What you should do",
        "Contact",
    ]


def test_what_was_proposed_and_not_filled_in_is_refused():
    proposed = statement(case("01")).findings[0].example.encode()
    assert told(statement(proposed + b"\n" + case("01"))) == [(4, "placeholder"), (5, "placeholder")]


def test_keys_at_the_top_and_the_language_of_the_headings_go_into_the_proposal():
    body = "Title: Perdimos sus datos\nSigned by: Ana\n\nLo sentimos.\n\n## Qué ha pasado\n\nX.\n"
    assert "title: Perdimos sus datos\nlanguage: es\nsigned_by: Ana\n" in statement(body).findings[0].example


def test_four_headings_in_other_words_are_taken():
    read = statement(case("02"))
    assert told(read) == []
    assert read.missing == ["What you can do"]


def test_what_a_word_processor_leaves_is_taken():
    read = statement(case("04"))
    assert read.text is not None
    assert read.text.title == "“We lost your data”: what we know"
    assert told(read, "warn") == [(5, "key-unused")]
    word = "\n\n—\nTitle:\u00a0“We lost your\u00a0data”\nSIGNED-BY: ‘Jane\u00ad Doe’\nRole: CEO\n———\n"
    word += "We’re\u200b sorry.\u000b\n\n##\u00a0What happened\n\n•\tSomeone got in.\n"
    read = statement(word)
    assert told(read) == []
    assert read.text is not None
    assert (read.text.title, read.text.signed_by) == ("We lost your data", "Jane Doe")
    assert read.text.sections == [("What happened", "- Someone got in.")]


def test_pictures_html_and_links_that_we_cannot_show_are_named_with_their_lines():
    read = statement(case("05"))
    assert told(read) == [(6, "image"), (6, "html"), (8, "html"), (23, "link-broken"), (38, "image")]
    assert (32, "markdown-unsupported") in told(read, "ask")
    assert read.text is None


@pytest.mark.parametrize(("name", "lines"), [("06", [10, 14]), ("07", [8, 12])])
def test_other_marks_for_headings_are_taken_and_told(name, lines):
    read = statement(case(name))
    assert told(read) == []
    assert told(read, "warn") == [(line, "heading-style") for line in lines]
    assert read.text is not None
    assert [section.heading for section in read.text.sections] == [
        "What happened",
        "What information was involved",
    ]


def test_a_language_that_is_not_offered_is_told_and_its_words_are_looked_at():
    read = statement(case("12"))
    assert told(read) == [(3, "language-not-offered")]
    hedging = case("12").decode() + "\nWir haben keine Hinweise auf Missbrauch.\n"
    assert (9, "hedge") in told(statement(hedging), "warn")


def test_headings_in_other_words_of_its_language_are_taken():
    read = statement(case("13"))
    assert told(read) == []
    assert read.missing == ["Qué estamos haciendo", "Qué puede hacer usted", "Más información"]


@pytest.mark.parametrize("name", ["14", "15"])
def test_keys_in_any_case_and_blank_lines_first_are_simply_taken(name):
    read = statement(case(name))
    assert [weight for weight in ("stop", "warn") if told(read, weight)] == []
    assert read.text is not None
    assert (read.text.title, read.text.signed_by, read.text.role) == ("We lost your data", "Jane Doe", "CEO")


def test_what_leaks_is_refused_with_its_line():
    read = statement(case("16"))
    assert told(read) == [(6, "placeholder"), (6, "placeholder"), (10, "comment")]
    assert (10, "ticket-number") in told(read, "ask")


def test_all_faults_are_told_at_once():
    text = "---\ntitel: X\nsigned_by:\nnote\nlanguage: fr\n---\n## What happened\n\n## Odd\n\n<b>x</b> TBC\n"
    assert told(statement(text)) == [
        (2, "key-unknown"),
        (3, "key-empty"),
        (4, "front-matter-line"),
        (5, "language-not-offered"),
        (7, "apology-missing"),
        (7, "section-empty"),
        (9, "heading-unknown"),
        (None, "key-missing"),
        (None, "key-missing"),
    ]
    assert "title: X" in next(one.example for one in statement(text).findings if one.line == 2)


def test_a_comment_of_markdowns_own_is_told_once_with_its_line():
    text = f"{FRONT}Sorry.\n\n[//]: # (internal note)\n\n## What happened\n\nX.\n"
    assert told(statement(text)) == [(8, "comment")]


def test_the_hour_that_clocks_skip_is_refused_with_the_nearest():
    read = update(case("dst-gap"), "Europe/London")
    assert told(read) == [(2, "time-in-gap")]
    assert read.findings[0].example == "occurred_at: 2026-03-29 00:59\noccurred_at: 2026-03-29 02:00"


def test_the_hour_that_comes_twice_is_asked_back():
    read = update(case("dst-twice"), "Europe/London")
    assert told(read) == [(2, "time-twice")]
    assert read.findings[0].example == (
        "occurred_at: 2026-10-25T01:30+01:00\noccurred_at: 2026-10-25T01:30+00:00"
    )
    for line in read.findings[0].example.split("\n"):
        assert told(update(f"---\n{line}\n---\nTwice hour.\n", "Europe/London")) == []


def test_links_of_an_update_are_taken_and_those_that_lead_nowhere_named():
    read = update(case("update-links"))
    assert told(read) == []
    assert told(read, "ask") == [(6, "link-place")]
    assert (6, "link-without-scheme") in told(read, "warn")
    assert told(update("See [the fifth](../5/).")) == [(1, "link-nowhere")]
    assert told(update("See [the fifth](../5/).", page="")) == []


def test_a_file_says_what_it_is():
    updates = {path.name for path in CASES.iterdir() if is_update(path.read_bytes())}
    assert updates == {"dst-gap.md", "dst-twice.md", "update-links.md"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04docx", "a Word or OpenDocument file"),
        (b"{\\rtf1", "an RTF file"),
        ("Sorry".encode("utf-16"), "is not UTF-8 text"),
        (b"", "the front matter is missing"),
    ],
)
def test_what_is_no_text_is_told_by_its_kind(content, reason):
    assert reason in statement(content).findings[0].reason


def test_findings_are_printed_and_given_as_data():
    findings = statement(FRONT + "<b>Sorry.</b>").findings
    assert list(as_lines(findings))[:2] == [
        "stop  line 6: HTML is shown to readers as it is: “<b>”; use Markdown instead  [html]",
        "      **bold**",
    ]
    assert as_data(findings)[0] == {
        "code": "html",
        "weight": "stop",
        "line": 6,
        "reason": "HTML is shown to readers as it is: “<b>”; use Markdown instead",
        "example": "**bold**",
    }
