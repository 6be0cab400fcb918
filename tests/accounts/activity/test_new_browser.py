"""A sign-in from a browser that an account does not know is shown and mailed, once per browser."""

import re

import pytest
from sqlalchemy import select

from portal.accounts.activity.models import AccountEvent
from portal.identity.account import Account
from portal.intake import service as intake
from portal.intake.models import IntakeRequest
from portal.worker import drain
from tests.accounts.conftest import ADDRESS, PASSWORD, STORE
from tests.accounts.passkeys.pages import add, sign_in_with
from tests.authenticator import App
from tests.visitor import hidden, leads_to, main_of

SUBJECT = "Sign-in from a new browser"
NEW = "sunlit-marble-otter-harbour"
FIREFOX = "Mozilla/5.0 (Android 16; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"
NOT_ME = re.compile(r"http://localhost:8000(/not-me/[a-z2-7]{32}/)")


@pytest.fixture
def told(worker_parts, smtp):
    """The mails about new browsers so far."""

    def work():
        drain(worker_parts)
        return [mail for mail in smtp.to(ADDRESS) if mail.message["Subject"] == SUBJECT]

    return work


def test_it_is_shown_and_mailed_with_the_browser_and_a_link_that_locks(
    ana, sign_in, browser_at, client, told, db, web_vault
):
    thief = browser_at("203.0.113.9")
    thief.environ_base["HTTP_USER_AGENT"] = FIREFOX
    assert leads_to(sign_in(visitor=thief)) == "/account/"
    (mail,) = told()
    assert "Browser: Firefox on Android" in mail.text
    assert "23 November 2026, 09:00 UTC" in mail.text
    page = main_of(thief.get("/account/activity/").text)
    assert SUBJECT in page
    assert "Firefox on Android" in page
    asked = client.get(NOT_ME.findall(mail.text)[0], follow_redirects=True)
    assert SUBJECT in main_of(asked.text)
    client.post("/not-me/", data=hidden(asked.text) | {"sure": "y"})
    with db.read() as session:
        account = STORE.find(session, web_vault, ADDRESS)
    assert account is not None
    assert account.must_reset
    assert leads_to(thief.get("/account/")) == "/sign-in/?next=/account/"


def test_a_browser_is_told_of_once(ana, sign_in, client, browser_at, told):
    for _time in range(2):
        sign_in()
        client.submit("/sign-out/")
    assert len(told()) == 1
    sign_in(visitor=browser_at("203.0.113.9"))
    assert len(told()) == 2


def test_a_failed_sign_in_is_none(ana, sign_in, told, db):
    sign_in(password="wrong")
    assert told() == []
    with db.read() as session:
        assert session.scalar(select(AccountEvent.id)) is None


def test_a_new_password_makes_every_browser_new_but_the_one_that_chose_it(
    ana, sign_in, client, browser_at, told
):
    """A thief's browser that signed in with the old password must not stay unseen."""
    other = browser_at("203.0.113.9")
    sign_in()
    sign_in(visitor=other)
    client.submit("/account/password/", current_password=PASSWORD, password=NEW)
    assert len(told()) == 2
    client.submit("/sign-out/")
    sign_in(NEW)
    assert len(told()) == 2
    sign_in(NEW, visitor=other)
    assert len(told()) == 3


def test_with_a_factor_it_is_told_after_the_second_step(ana, sign_in, client, told, db, web_vault, clock):
    app = App(clock)
    app.protect(db, web_vault, Account(ana.id, "builtin"))
    second = sign_in().location
    assert told() == []
    client.submit(second, code=app.code())
    assert len(told()) == 1


def test_a_sign_in_with_a_passkey_is_told_too(ana, sign_in, client, app, told):
    sign_in()
    passkey, _page = add(client)
    assert len(told()) == 1
    elsewhere = app.test_client()
    assert leads_to(sign_in_with(elsewhere, passkey)) == "/account/"
    assert len(told()) == 2


def test_a_stolen_web_server_mails_no_words_of_its_own(db, web_vault, clock, ana, told):
    with db.write() as session:
        fields = {"account": ana.id.hex(), "event": "ab" * 16, "change": "signed-in", "device": "Call us/Now"}
        intake.submit(session, web_vault, "account-event", fields, clock.now())
    (mail,) = told()
    assert "Browser: Unknown browser" in mail.text
    assert "Call us" not in mail.text + mail.html


def test_the_waiting_row_does_not_say_whose_sign_in_it_was(ana, sign_in, db):
    sign_in()
    with db.read() as session:
        (row,) = session.scalars(select(IntakeRequest)).all()
    assert row.purpose == "account-event"
    assert ana.id not in row.sealed
