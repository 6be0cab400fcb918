"""A page says what the checker found by the labels of its fields, in the reader's language."""

import pytest
from flask_babel import gettext

from portal.incidents.checker.files import check_statement_file
from portal.incidents.checker.findings import Finding, Weight, accepted_words
from portal.incidents.checker.site import Site
from portal.incidents.console import wording

pytestmark = pytest.mark.sqlite
SITE = Site(languages=("en", "es"))


def finding(reason, example=""):
    return Finding("code", Weight.STOP, 1, reason, example)


@pytest.mark.parametrize(
    ("reason", "said", "spoken"),
    [
        ("signed_by: is required", "Rellene este campo.", ""),
        (
            "occurred_at: is in the future; it is now 14:59Z",
            "Esta hora está en el futuro. Ahora es 14:59Z.",
            "",
        ),
        ("title: is longer than 200 characters", "Tiene más de 200 caracteres.", ""),
        (
            "the incident lists “Names”, and the text does not name it",
            "El incidente indica “Nombres”, pero",
            "",
        ),
        (
            "the link “here” to “/chekc/” leads nowhere: this site has no such page",
            "El enlace “here” a “/chekc/” no lleva a ningún sitio: este sitio no tiene esa página.",
            "",
        ),
        ("something new", "something new", "en"),
    ],
)
def test_a_finding_is_said_in_the_readers_language(app, reason, said, spoken):
    with app.test_request_context(headers={"Accept-Language": "es"}):
        words, language = wording.reason(finding(reason))
    assert (words.startswith(said), language) == (True, spoken)


EVERY_FAULT = """---
title: The theft
language: en
signed_by: Ana Ruiz
role: Head
note: x
---

We regret any inconvenience. ~~old~~ and [^1] and <b>x</b> ![a](b.png) [here](//evil.example/x) [x](#nowhere)
[y](/chekc/) [z](/check) [w](http://) [v]() ABC-1234 [q](javascript:alert(1)) me@example.com lorem ipsum
<!-- x -->

- [ ] task

## What happened

x

## What happened

y

## Something else

[//]: # (internal)
It may have been too long a sentence that goes on and on and on and on and on and on and on and on.
"""


def test_rare_findings_have_words_too(app):
    found = check_statement_file(EVERY_FAULT.encode(), SITE).findings
    assert len({one.code for one in found}) > 15
    with app.test_request_context(headers={"Accept-Language": "es"}):
        assert [one.reason for one in found if wording.reason(one)[1] != ""] == []
        assert "no lleva a ningún sitio: le falta la / al final" in " ".join(
            wording.reason(one)[0] for one in found
        )


def test_what_an_author_may_accept_has_words_in_the_readers_language(app):
    found = check_statement_file(EVERY_FAULT.encode(), SITE).findings
    asked = {one.code for one in found if one.weight is Weight.ASK} | {
        "class-mismatch", "link-place", "markdown-unsupported", "maybe-placeholder", "missing-section",
        "no-apology", "passive-apology", "short-note", "ticket-number",
    }  # fmt: skip
    assert len(asked) == 9
    said = {}
    for language in ("en", "es"):
        with app.test_request_context(headers={"Accept-Language": language}):
            said[language] = [gettext(accepted_words(code)) for code in sorted(asked)]
    assert not any(code in said["en"] for code in asked)
    assert not set(said["en"]) & set(said["es"])
    assert accepted_words("later-invented") == "later-invented"


def test_an_example_is_what_is_typed_into_the_field():
    assert wording.example(finding("x", "signed_by: Jane Doe")) == "Jane Doe"
    assert wording.example(finding("x", "occurred_at: 10:00\noccurred_at: 11:00")) == "10:00\n11:00"
    assert wording.example(finding("x", "PORTAL_CONTACT_EMAIL=help@example.com")) == ""
    assert wording.example(finding("x", "## What happened")) == ""


def test_a_draft_with_every_part_missing_is_told_without_a_word_of_files(app):
    found = check_statement_file(b"---\ntitle:\nlanguage: en\n---\n\nTODO\n", SITE).findings
    assert len(found) > 3
    with app.test_request_context():
        said = " ".join(wording.reason(one)[0] for one in found)
    assert not any(word in said for word in ("##", "front matter", "signed_by", "title:"))
