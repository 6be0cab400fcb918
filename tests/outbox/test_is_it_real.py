"""`/is-it-real/` knows our codes, and calls no message a fake because of its other code."""

import re

import pytest

from portal.worker import drain

FAKE = "We did not send this"


@pytest.fixture
def mail(enqueue, worker_parts, smtp):
    enqueue()
    drain(worker_parts)
    return smtp.messages[0]


def test_the_code_at_the_end_of_a_mail_shows_what_was_sent(client, mail):
    (code,) = re.findall(r"^([A-Z2-7]{7}-[A-Z2-7]{7})$", mail.text, re.MULTILINE)
    page = client.submit("/is-it-real/", code=f" {code.lower()} ")
    assert page.status_code == 200
    assert str(mail.message["Subject"]) in page.text
    assert "http://localhost:8000/<" in page.text


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ABCD-EFGH", "it proves nothing here"),
        ("123", "have 14 letters and digits"),
        ("ABCDEFG-23456723", "have 14 letters and digits"),
        (" ", "Enter the code"),
    ],
)
def test_another_code_is_told_apart(client, mail, code, said):
    page = client.submit("/is-it-real/", code=code)
    assert page.status_code == 400
    assert said in page.text
    assert FAKE not in page.text


def test_a_code_that_we_never_sent_gets_a_page_that_says_what_to_do(client, mail):
    page = client.submit("/is-it-real/", code="ABCDEFG-2345672")
    assert page.status_code == 200
    assert FAKE in page.text
    assert "Don’t click anything in it" in page.text
    assert 'name="code"' in page.text
    assert "Error:" not in page.text


def test_the_address_of_our_links_is_told_with_its_end(client):
    assert "http://localhost:8000/</li>" in client.get("/is-it-real/").text
