"""What the editor holds and the file of the command line are one text."""

import pytest

from portal.incidents import authoring
from portal.incidents.drafts import files
from tests.incidents.conftest import CORRECTED, SPANISH, STATEMENT
from tests.processes import ROOT

LANGUAGES = ("en", "es")
DEMO = ROOT / "portal/demo/content"


def read(text: str):
    return authoring.read_statement(text.encode(), LANGUAGES).text


def parts_of(text: str) -> dict[str, str]:
    return files.of_text(read(text))


@pytest.mark.parametrize("text", [STATEMENT, CORRECTED, SPANISH])
def test_a_file_comes_back_as_it_was(text):
    language = "es" if text == SPANISH else "en"
    assert files.to_file(parts_of(text), language).content == text


def test_an_editor_shows_the_six_parts_of_a_file():
    parts = parts_of(CORRECTED)
    assert parts["title"] == "Your booking was copied"
    assert parts["note"] == "Passwords were copied too. We had missed them."
    assert parts["apology"] == "We are sorry. We did not keep your booking safe."
    assert parts["heading2"] == "What information was involved"
    assert parts["section2"] == "- your name\n- your e-mail address\n- your nickname"
    assert (parts["section5"], parts["summary"], parts["holding"]) == ("Call us.", "", "")


def test_links_that_are_defined_at_the_end_stay_there_however_often_it_is_saved():
    text = STATEMENT.replace("We are sorry.", "We are [sorry][s].") + "\n[s]: https://example.org/a_b\n"
    parts = parts_of(text)
    assert parts["apology"] == "We are [sorry][s]. We did not keep your booking safe."
    again = parts_of(files.to_file(parts, "en").content)
    assert again == parts
    assert read(files.to_file(parts, "en").content) == read(text)


@pytest.mark.parametrize("title", ['"Sorry"', "“Sorry”, she said", "Names: taken", "# 3", "'t was us"])
def test_a_title_survives_whatever_its_marks(title):
    parts = parts_of(STATEMENT) | {"title": title}
    assert read(files.to_file(parts, "en").content).title == title


def test_own_headings_are_kept_and_an_unnamed_one_gets_the_usual_name():
    own = parts_of(STATEMENT.replace("## What happened", "## On that night"))
    assert own["heading1"] == "On that night"
    given = files.completed({"title": " Two\r\nlines ", "heading1": " ", "section1": "\r\nA\r\nB\r\n"}, "es")
    assert (given["title"], given["heading1"], given["section1"]) == ("Two lines", "Qué ha pasado", "A\nB")
    assert "other" not in files.completed({"other": "x"}, "en")


def test_each_line_of_the_file_leads_to_its_part():
    file = files.to_file(parts_of(CORRECTED), "en")
    lines = file.content.split("\n")
    place = {line: file.place(number) for number, line in enumerate(lines, 1) if line}
    assert place["title: Your booking was copied"] == ("title", 1)
    assert place["role: Managing director"] == ("role", 1)
    assert place["language: en"] is None
    assert place["We are sorry. We did not keep your booking safe."] == ("apology", 1)
    assert place["## What happened"] == ("heading1", 1)
    assert place["- your nickname"] == ("section2", 3)
    assert file.place(None) is None


def test_the_demonstrations_statements_come_back_as_they_were():
    for name in ("1", "1.es", "2", "2.es", "3", "3.es"):
        text = (DEMO / f"statement-{name}.md").read_text(encoding="utf-8")
        again = files.to_file(parts_of(text), name.partition(".")[2] or "en").content
        assert read(again) == read(text)
