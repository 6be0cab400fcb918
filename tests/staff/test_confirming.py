"""Who comes back after five minutes is asked who they are; what they pressed is then done."""

import re
from datetime import timedelta
from html import unescape
from io import BytesIO

import pytest
from sqlalchemy import select

from portal.outbox.models import MailPause
from tests.colleagues import press
from tests.visitor import SAME_SITE, hidden, main_of

TYPED = 'The relay "works" again <b>'


@pytest.fixture
def asked(office):
    """An admin who pressed a button six minutes after signing in; their browser and the page that asks."""
    press(office.as_role("author"), "/mail/", "/mail/pause/", reason="The relay is down")
    office.ann = office.add("admin", name="Ann")
    browser = office.sign_in(office.ann)
    office.advance(timedelta(minutes=6))
    fields = hidden(browser.get("/mail/").text) | {"reason": TYPED}
    return browser, send(browser, "/mail/resume/", fields)


def send(browser, path, fields):
    """Send a form as a browser does, which sends it again to where a 307 leads."""
    answer = browser.post(path, data=fields, headers=SAME_SITE)
    if answer.status_code == 307:
        return send(browser, answer.location, fields)
    return browser.get(answer.location) if answer.status_code == 303 else answer


def answer(browser, page, code):
    action = unescape(re.findall(r'action="(/confirm/[^"]*)"', page)[-1])
    fields = hidden(main_of(page)) | {"confirm-code": code}
    return send(browser, action, fields)


def is_paused(db):
    with db.read() as session:
        return session.scalar(select(MailPause.reason)) is not None


def test_what_was_pressed_is_done_once_somebody_said_who_they_are(office, db, asked):
    browser, page = asked
    assert page.status_code == 200
    assert "Confirm it’s you" in page.text
    assert hidden(main_of(page.text))["reason"] == TYPED
    assert is_paused(db)
    done = answer(browser, page.text, office.ann.code())
    assert (done.status_code, done.request.path) == (200, "/mail/")
    assert not is_paused(db)


def test_a_wrong_code_does_nothing_and_keeps_what_was_typed(office, db, asked):
    browser, page = asked
    wrong = answer(browser, page.text, "000000")
    assert wrong.status_code == 422
    assert hidden(main_of(wrong.text))["reason"] == TYPED
    assert is_paused(db)
    answer(browser, wrong.text, office.ann.code())
    assert not is_paused(db)


def test_a_page_that_was_only_opened_is_opened_again(office):
    ann = office.add("author", name="Ann")
    browser = office.sign_in(ann)
    office.advance(timedelta(minutes=6))
    page = browser.get("/lists/?of=now", follow_redirects=True)
    done = answer(browser, browser.get("/confirm/?next=/lists/%3Fof%3Dnow").text, ann.code())
    assert (page.status_code, done.status_code) == (200, 200)
    assert (done.request.path, done.request.query_string) == ("/lists/", b"of=now")


def test_a_file_is_not_sent_twice(office):
    browser = office.as_role("admin")
    token = hidden(browser.get("/me/").text)["csrf_token"]
    office.advance(timedelta(minutes=6))
    sent = browser.post(
        "/mail/resume/",
        data={"csrf_token": token, "file": (BytesIO(b"email\n"), "a.csv")},
        headers=SAME_SITE | {"Referer": "http://localhost/mail/?x=1"},
    )
    assert (sent.status_code, sent.location) == (303, "/confirm/?next=/mail/")


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "/\\evil.example/"])
def test_nobody_is_led_elsewhere(office, target):
    ann = office.add("author", name="Ann")
    browser = office.sign_in(ann)
    page = browser.post(
        f"/confirm/?next={target}", data=hidden(browser.get("/me/").text), headers=SAME_SITE
    ).text
    action = unescape(re.findall(r'action="(/confirm/[^"]*)"', page)[-1])
    fields = hidden(main_of(page)) | {"confirm-code": ann.code()}
    led = browser.post(action, data=fields, headers=SAME_SITE)
    assert (led.status_code, led.location) == (307, "/")


def test_somebody_elses_form_confirms_and_does_nothing(office, db, asked):
    browser, page = asked
    fields = hidden(main_of(page.text)) | {"confirm-code": office.ann.code()}
    forged = browser.post(
        "/confirm/?next=/mail/resume/", data=fields | {"csrf_token": "x"}, headers=SAME_SITE
    )
    assert forged.status_code == 400
    assert is_paused(db)
