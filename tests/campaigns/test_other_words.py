"""Own words in one language: the notice's page says how many people get those of another, or none."""

import re

import pytest

from portal.campaigns.emails import Words
from portal.campaigns.series.shown import OtherWords, other_words
from tests.campaigns.conftest import SPANISH, STATEMENT
from tests.campaigns.test_console import ONE, draft_and_ask, text_of

PEOPLE = "".join(f"p{i}@northwind.example,{i},P,{'es-MX' if i < 11 else 'en'}\n" for i in range(24))


def warned(page):
    plain = re.sub(r"<[^>]+>", " ", page.partition("aren’t in every language")[2].partition("</ul>")[0])
    return " ".join(plain.split())


@pytest.mark.parametrize(
    ("statements", "own", "expected"),
    [
        (
            (STATEMENT, SPANISH), {"en-own": "We are very sorry."},
            "Emails in Spanish have none of your own words. 11 people on the list have this language.",
        ),
        (
            (STATEMENT,), {"en-own": "We are very sorry."},
            "Emails in Spanish have your own words in English. 11 people on the list have this language.",
        ),
        (
            (STATEMENT,), {"es-own": "Lo sentimos mucho."},
            "Emails in English have none of your own words. 13 people on the list have this language.",
        ),
        ((STATEMENT, SPANISH), {"en-own": "We are sorry.", "es-own": "Lo sentimos."}, ""),
        ((STATEMENT,), {}, ""),
    ],
)  # fmt: skip
def test_people_of_a_language_without_own_words_are_counted(operator, office, statements, own, expected):
    for each in statements:
        operator.statement(each)
    operator.live(PEOPLE)
    author = office.as_role("author")
    draft_and_ask(author, **own)
    page = text_of(author, ONE)
    said = warned(page)
    assert said.partition(" Write it in")[0] == expected
    if expected:
        tag = "en" if "es-own" in own else "es"
        assert f'href="{ONE}edit/#{tag}-own"' in page
        assert f'id="{tag}-own"' in text_of(author, f"{ONE}edit/")
        assert "aren’t in every language" in text_of(office.as_role("approver"), ONE)


@pytest.mark.sqlite  # what a page shows is no matter of the database
@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (
            (STATEMENT, SPANISH),
            "Emails in Spanish have none of the author’s own words. 11 people on the list",
        ),
        ((STATEMENT,), "Emails in Spanish have the author’s own words in English. 11 people on the list"),
    ],
)
def test_who_approves_is_told_who_gets_none_of_the_authors_own_words(operator, office, statements, expected):
    for each in statements:
        operator.statement(each)
    operator.live(PEOPLE)
    asked = draft_and_ask(office.as_role("author"), **{"en-own": "We are very sorry."})
    assert f"<p>{expected} have this language.</p>" in text_of(office.as_role("approver"), asked)


SITE = ("en", "es")


def of(language, own="", own_language=""):
    return Words(
        "S", language, "T", (), "", "", "/", passwords=False, own_text=own, own_language=own_language
    )


def test_a_language_that_nobody_has_is_no_matter_and_one_that_is_not_counted_may_be():
    words = {"en": of("en", "We are sorry."), "es": of("es")}
    assert other_words(words, {"en": 12, "": 3}, SITE) == []
    assert other_words(words, {"en": 12, "*": 3}, SITE) == [OtherWords("es", "", 0, 3)]
    assert other_words(words, {}, SITE) == [OtherWords("es", "", None, None)]


def test_who_has_no_language_gets_the_default_ones_words():
    words = {"en": of("en"), "es": of("en", "Lo sentimos.", "es")}
    counts = {"es": 12, "": 3, "und": 2, "fr": 10}
    assert other_words(words, counts, SITE) == [OtherWords("en", "", 15, 0)]
