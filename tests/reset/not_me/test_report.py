"""The mail about a changed password has a link that says "this wasn't me" and locks the account."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.identity.builtin.store import BuiltinStore
from portal.intake import jobs as intake
from portal.intake.models import IntakeRequest
from portal.worker import drain
from tests.reset.conftest import ana, ask, people
from tests.reset.journey import ANA, NEW, OLD, link_in
from tests.visitor import hidden, leads_to, main_of

__all__ = ["ana", "ask", "people"]

PAGE = "/not-me/"
LOCKED = "We locked your account"
DAY = timedelta(days=1)


def report_in(mail) -> str:
    (path,) = set(re.findall(r"http://localhost:8000(/not-me/[a-z2-7]{32}/)", mail.text + mail.html))
    return str(path)


@pytest.fixture
def thief(app, ana):
    """Who knew the old password, and has just changed it."""
    browser = app.test_client()
    browser.submit("/sign-in/", email=ana, password=OLD)
    assert (
        leads_to(browser.submit("/account/password/", current_password=OLD, password=NEW)) == "/reset/done/"
    )
    return browser


@pytest.fixture
def told(thief, worker_parts, smtp):
    """The mail that its owner got about that."""
    drain(worker_parts)
    return smtp.to(ANA)[-1]


@pytest.fixture
def locked_mail(worker_parts, smtp):
    def work():
        drain(worker_parts)
        return [mail for mail in smtp.to(ANA) if mail.message["Subject"] == LOCKED]

    return work


def press(browser, mail):
    page = browser.get(report_in(mail), follow_redirects=True)
    assert page.status_code == 200
    return browser.post(PAGE, data=hidden(page.text) | {"sure": "y"})


def test_opening_the_link_changes_nothing(told, client, thief, people, db):
    page = client.get(report_in(told), follow_redirects=True)
    assert page.status_code == 200
    assert "Your password was changed. " in main_of(page.text)
    assert people.signs_in_with(ANA, NEW)
    assert thief.get("/account/").status_code == 200
    with db.read() as session:
        assert session.scalars(select(IntakeRequest)).all() == []


def test_a_scanner_that_presses_the_button_locks_nothing(told, client, people):
    """It would lock the account with the mail about every change, and so without end."""
    page = client.get(report_in(told), follow_redirects=True)
    pressed = client.post(PAGE, data=hidden(page.text))
    assert pressed.status_code == 400
    assert "If it wasn’t you, tick the box first." in pressed.text
    assert not people.account(ANA).must_reset


def test_a_link_from_before_a_new_password_by_mail_locks_nothing_again(
    told, client, app, people, ask, clock, worker_parts, smtp
):
    """Links of many mails lie in the inbox: who reads there must not lock the account with each."""
    open_before = app.test_client()
    form = hidden(open_before.get(report_in(told), follow_redirects=True).text) | {"sure": "y"}
    clock.advance(timedelta(minutes=5))
    browser = app.test_client()
    browser.get(link_in(ask(ANA, browser)))
    assert browser.submit("/reset/choose/", password="violet-anchor-mosaic-thimble").status_code == 303
    drain(worker_parts)
    shown = client.get(report_in(told), follow_redirects=True)
    assert "So we haven’t locked your account again." in main_of(shown.text)
    assert open_before.post(PAGE, data=form).status_code == 303
    assert not people.account(ANA).must_reset
    chosen = [mail for mail in smtp.to(ANA) if mail.message["Subject"] == "Your password was changed"][-1]
    assert press(app.test_client(), chosen).status_code == 303, "the new password itself can be reported"
    assert people.account(ANA).must_reset


def test_the_button_locks_the_account_before_the_worker_does_anything(told, client, thief, people, app):
    pressed = press(client, told)
    assert (pressed.status_code, leads_to(pressed)) == (303, PAGE)
    assert "Your account is locked" in client.get(pressed.location).text
    assert people.account(ANA).must_reset
    assert thief.get("/account/").status_code == 303
    again = app.test_client().submit("/sign-in/", email=ANA, password=NEW)
    assert again.status_code == 400


def test_the_owner_gets_a_link_and_not_even_the_thiefs_password_can_be_chosen(
    told, client, people, locked_mail, app
):
    press(client, told)
    (mail,) = locked_mail()
    assert "We locked your password and signed out every device." in mail.text
    browser = app.test_client()
    page = browser.get(link_in(mail), follow_redirects=True)
    assert "Someone told us that a change to your account wasn’t you." in page.text
    assert browser.submit("/reset/choose/", password=NEW).status_code == 400
    assert (
        leads_to(browser.submit("/reset/choose/", password="violet-anchor-mosaic-thimble")) == "/reset/done/"
    )
    assert people.signs_in_with(ANA, "violet-anchor-mosaic-thimble")


@pytest.mark.parametrize("reason", ["exposed", "everyone"])
def test_a_form_that_was_open_for_another_reason_stores_nothing_after_the_report(
    told, client, app, people, db, clock, ask, locked_mail, reason
):
    """It may be the thief’s, who had a minute of the inbox. The reason keeps a passkey alone from a form."""
    with db.write() as session:
        assert BuiltinStore().require_reset(session, [people.account(ANA).id], reason, clock.now())
    thiefs = app.test_client()
    thiefs.get(link_in(ask(ANA, thiefs)))
    form = hidden(thiefs.get("/reset/choose/").text)
    press(client, told)
    assert people.account(ANA).reset_reason == "reported"
    assert thiefs.post("/reset/choose/", data=form | {"password": "violet-anchor-mosaic"}).status_code == 410
    (mail,) = locked_mail()
    assert app.test_client().get(link_in(mail), follow_redirects=True).status_code == 200


def test_it_acts_once(told, client, app, people, locked_mail):
    other = app.test_client()
    form = hidden(other.get(report_in(told), follow_redirects=True).text) | {"sure": "y"}
    press(client, told)
    assert other.post(PAGE, data=form).status_code == 410
    assert app.test_client().get(report_in(told), follow_redirects=True).status_code == 410
    assert len(locked_mail()) == 1
    browser = app.test_client()
    browser.get(link_in(locked_mail()[0]))
    assert (
        leads_to(browser.submit("/reset/choose/", password="violet-anchor-mosaic-thimble")) == "/reset/done/"
    )
    assert app.test_client().get(report_in(told), follow_redirects=True).status_code == 410
    assert people.signs_in_with(ANA, "violet-anchor-mosaic-thimble")


def test_another_change_does_not_end_it(told, client, thief, people):
    other = "violet-anchor-mosaic-thimble"
    assert thief.submit("/account/password/", current_password=NEW, password=other).status_code == 303
    press(client, told)
    assert people.account(ANA).must_reset
    assert thief.get("/account/").status_code == 303


def test_it_lives_for_thirty_days_from_when_the_mail_leaves(thief, worker_parts, smtp, clock, app):
    while intake.answer(worker_parts):
        pass
    clock.advance(9 * DAY)
    drain(worker_parts)
    mail = smtp.to(ANA)[-1]
    clock.advance(30 * DAY - timedelta(minutes=1))
    assert app.test_client().get(report_in(mail), follow_redirects=True).status_code == 200
    clock.advance(timedelta(minutes=1))
    assert app.test_client().get(report_in(mail), follow_redirects=True).status_code == 410


def test_a_link_of_another_purpose_locks_nothing(client, ana, ask, people):
    mail = ask(ana)
    assert client.get(link_in(mail).replace("/reset/", PAGE), follow_redirects=True).status_code == 410
    assert not people.account(ana).must_reset
