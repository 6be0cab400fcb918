"""After a report the owner looks through the factors before the new password counts: one may be a thief's."""

import re
from datetime import timedelta

import pytest

from portal.accounts.factors import service
from portal.accounts.factors.service import Kind
from portal.intake import service as intake
from portal.worker import drain
from tests.accounts.passkeys.pages import add, sign_in_with
from tests.authenticator import App
from tests.reset.conftest import ana, ask, people
from tests.reset.journey import ANA, OLD, link_in
from tests.reset.not_me.test_report import LOCKED, press, report_in
from tests.visitor import hidden, leads_to, main_of

__all__ = ["ana", "ask", "people"]

NEW = "violet-anchor-mosaic-thimble"
ADDED = "A passkey was added to your account"


@pytest.fixture
def phone(clock, ana, people, db, web_vault) -> App:
    """The owner's app."""
    app = App(clock)
    app.protect(db, web_vault, people.account(ana))
    return app


@pytest.fixture
def thief(app, phone):
    """Who came in once with password and code, and the passkey that was left behind."""
    browser = app.test_client()
    second = browser.submit("/sign-in/", email=ANA, password=OLD).location
    assert browser.submit(second, code=phone.code()).status_code == 303
    return browser, add(browser, "Phone")[0]


@pytest.fixture
def mails(worker_parts, smtp):
    def work(subject):
        drain(worker_parts)
        return [mail for mail in smtp.to(ANA) if mail.message["Subject"] == subject]

    return work


@pytest.fixture
def opened(thief, client, mails, clock, phone):
    """The owner's browser, in which the new passkey was reported and the mailed link was opened."""
    assert press(client, mails(ADDED)[-1]).status_code == 303
    clock.advance(timedelta(minutes=1))
    client.get(link_in(mails(LOCKED)[-1]))
    return client


def given(opened, phone):
    """The page after the owner's code."""
    asked = opened.get("/reset/choose/").location
    listed = opened.get(opened.submit(asked, code=phone.code()).location)
    assert leads_to(listed) == "/reset/factors/"
    return listed.location


def has(db, account):
    with db.read() as session:
        return service.kinds(session, account.id)


def test_the_thiefs_passkey_is_shown_with_its_day_and_goes_before_the_new_password_counts(
    opened, thief, phone, app, people, mails, db
):
    page = given(opened, phone)
    shown = main_of(opened.get(page).text)
    assert "Passkey: Phone" in shown
    assert "Authenticator app" in shown
    assert shown.count("Added on") == 2
    (passkey,) = re.findall(r'name="remove" value="([0-9a-f]{32})"', shown)
    form = opened.submit(page, remove=passkey)
    assert leads_to(form) == "/reset/choose/"
    assert opened.submit(form.location, password=NEW).status_code == 303
    assert has(db, people.account(ANA)) == {Kind.CODE, Kind.RECOVERY}
    assert leads_to(sign_in_with(app.test_client(), thief[1])) == "/sign-in/"
    assert len(mails("A passkey was removed from your account")) == 1


def test_without_a_factor_nothing_is_shown_or_removed(opened, app, mails, people, db):
    """An inbox alone must not remove the owner's factors."""
    reader = app.test_client()
    reader.get(link_in(mails(LOCKED)[-1]))
    assert leads_to(reader.get("/reset/factors/")) == "/reset/confirm/"
    form = hidden(reader.get(reader.get("/reset/choose/").location).text)
    sent = reader.post("/reset/factors/", data=form | {"remove": ["code", "recovery"]})
    assert leads_to(sent) == "/reset/confirm/"
    assert has(db, people.account(ANA)) == {Kind.CODE, Kind.RECOVERY, Kind.PASSKEY}


def test_the_form_for_the_new_password_waits_for_the_look(opened, phone, people, db):
    page = given(opened, phone)
    form = hidden(opened.get(page).text)
    assert leads_to(opened.post("/reset/choose/", data=form | {"password": NEW})) == "/reset/factors/"
    assert people.account(ANA).must_reset
    assert opened.submit(opened.submit(page).location, password=NEW).status_code == 303, "all were known"
    assert Kind.PASSKEY in has(db, people.account(ANA))


def test_recovery_codes_that_somebody_else_made_can_go(opened, phone, people, mails, db):
    form = opened.submit(given(opened, phone), remove="recovery")
    assert opened.submit(form.location, password=NEW).status_code == 303
    assert has(db, people.account(ANA)) == {Kind.CODE, Kind.PASSKEY}
    assert len(mails("Your recovery codes were removed")) == 1


def test_a_reset_without_a_report_shows_no_list(phone, client, ask):
    client.get(link_in(ask(ANA)))
    asked = client.get("/reset/choose/").location
    form = client.submit(asked, code=phone.code())
    assert client.get(form.location).status_code == 200


def test_a_thiefs_factor_ends_no_removal_after_a_report(opened, thief, people, db, clock, web_vault, mails):
    """It needs the inbox to be used at all, and who reads there could stop the removal anyway."""
    account = people.account(ANA)
    with db.write() as session:
        fields = {"account": account.id.hex(), "version": str(account.version), "code": "123456"}
        intake.submit(session, web_vault, "second-step-lost", fields, clock.now())
    assert len(mails("Did you lose your second step?")) == 1
    with db.write() as session:
        service.used(session, web_vault, account.id, clock.now())
    assert mails("We kept your second step") == []
    (mail,) = mails("Did you lose your second step?")
    (link,) = set(re.findall(r"/second-step/[a-z2-7]{32}/", mail.text))
    assert opened.get(link, follow_redirects=True).status_code == 200


def test_what_was_added_is_locked_again_until_it_was_looked_through(
    thief, app, phone, clock, ask, mails, people, client
):
    """A new password alone leaves the thief's passkey."""
    clock.advance(timedelta(minutes=1))
    browser = app.test_client()
    browser.get(link_in(ask(ANA, browser)))
    form = browser.submit(browser.get("/reset/choose/").location, code=phone.code())
    assert browser.submit(form.location, password=NEW).status_code == 303
    (added,) = mails(ADDED)
    assert press(client, added).status_code == 303
    assert people.account(ANA).must_reset


def test_a_look_through_makes_links_about_what_was_added_before_worthless(
    thief, phone, clock, mails, app, people, db
):
    thiefs, _passkey = thief
    add(thiefs, "Tablet")
    first, second = mails(ADDED)
    assert press(app.test_client(), first).status_code == 303
    clock.advance(timedelta(minutes=1))
    browser = app.test_client()
    browser.get(link_in(mails(LOCKED)[-1]))
    form = browser.submit(given(browser, phone))
    assert browser.submit(form.location, password=NEW).status_code == 303
    over = app.test_client()
    page = over.get(report_in(second), follow_redirects=True)
    assert "So we haven’t locked your account again." in main_of(page.text)
    assert not people.account(ANA).must_reset


def test_who_changes_the_list_in_two_tabs_sees_it_as_it_is(opened, phone, people, db):
    page = given(opened, phone)
    (passkey,) = re.findall(r'name="remove" value="([0-9a-f]{32})"', opened.get(page).text)
    for _tab in range(2):
        assert leads_to(opened.submit(page, remove=passkey)) == "/reset/choose/"
    assert has(db, people.account(ANA)) == {Kind.CODE, Kind.RECOVERY}
