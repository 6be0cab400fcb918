"""Every change of what protects an account is recorded and mailed, with a link that locks the account."""

import logging
import re
from datetime import timedelta

import pyotp
import pytest

from portal.accounts.activity import service
from portal.accounts.activity.service import Kind
from portal.intake import service as intake
from portal.worker import drain
from tests.accounts.conftest import ADDRESS, STORE
from tests.accounts.factors.test_account_pages import CODES, RECOVERY, key_on
from tests.accounts.passkeys.pages import add, change
from tests.visitor import hidden, main_of

NOT_ME = re.compile(r"http://localhost:8000(/not-me/[a-z2-7]{32}/)")


NEW_BROWSER = "Sign-in from a new browser"


@pytest.fixture
def signed_in(client, ana, sign_in):
    """A browser that the account knows, after its first sign-in."""
    assert sign_in().status_code == 303
    return client


@pytest.fixture
def told(worker_parts, smtp):
    """The subjects of the mails so far, and the link of the newest."""

    def work():
        drain(worker_parts)
        mails = smtp.to(ADDRESS)
        return [mail.message["Subject"] for mail in mails], NOT_ME.findall(mails[-1].text + mails[-1].html)

    return work


@pytest.fixture
def is_locked(db, web_vault):
    def look():
        with db.read() as session:
            account = STORE.find(session, web_vault, ADDRESS)
        assert account is not None
        return account.must_reset

    return look


def test_an_app_and_recovery_codes(signed_in, clock, told):
    key = key_on(signed_in.get(CODES).text)
    signed_in.submit(CODES, code=pyotp.TOTP(key).at(clock.at))
    signed_in.submit(RECOVERY)
    signed_in.submit("/account/factors/codes/remove/")
    subjects, links = told()
    assert subjects.pop(0) == NEW_BROWSER
    assert sorted(subjects) == [
        "An authenticator app was set up",
        "New recovery codes were made",
        "The authenticator app was removed",
    ]
    assert len(set(links)) == 1
    page = main_of(signed_in.get("/account/activity/").text)
    assert all(subject in page for subject in subjects)


def test_a_wrong_code_is_no_change(signed_in, db, web_vault, ana, clock):
    signed_in.get(CODES)
    signed_in.submit(CODES, code="000000")
    with db.read() as session:
        events = service.events_of(session, web_vault, ana.id, clock.now(), timedelta(days=180))
    assert [event.kind for event in events] == [Kind.SIGNED_IN]


def test_a_passkey(signed_in, told, is_locked):
    add(signed_in)
    change(signed_in, "Phone", remove="yes")
    subjects, links = told()
    assert subjects.pop(0) == NEW_BROWSER
    assert sorted(subjects) == [
        "A passkey was added to your account",
        "A passkey was removed from your account",
    ]
    page = main_of(signed_in.get("/account/activity/").text)
    assert all(subject in page for subject in subjects)
    form = hidden(signed_in.get(links[0], follow_redirects=True).text)
    assert not is_locked()
    signed_in.post("/not-me/", data=form | {"sure": "y"})
    assert is_locked()


def test_a_stolen_web_server_mails_nobody_without_end(db, web_vault, clock, ana, told, caplog):
    with db.write() as session:
        for number in range(30):
            fields = {"account": ana.id.hex(), "event": f"{number:032x}", "change": "codes-added"}
            intake.submit(session, web_vault, "account-event", fields, clock.now())
        for lie in (
            {"change": "reported"},
            {"change": "stopped"},
            {},
            {"change": "codes-added", "event": "x"},
        ):
            lied = {"account": ana.id.hex(), "event": "ff" * 16} | lie
            intake.submit(session, web_vault, "account-event", lied, clock.now())
        service.tell(session, web_vault, bytes(16), Kind.CODES_ADDED, clock.now(), device="", language="en")
    with caplog.at_level(logging.WARNING):
        subjects, _links = told()
    assert len(subjects) == 20
    assert "had 20 mails about 'codes-added' today" in caplog.text


def test_many_changes_of_one_kind_hide_none_of_another(db, web_vault, clock, ana, told):
    with db.write() as session:
        for number in range(21):
            fields = {"account": ana.id.hex(), "event": f"{number:032x}", "change": "recovery-made"}
            intake.submit(session, web_vault, "account-event", fields, clock.now())
    assert len(told()[0]) == 20
    with db.write() as session:
        fields = {"account": ana.id.hex(), "event": "ff" * 16, "change": "codes-removed"}
        intake.submit(session, web_vault, "account-event", fields, clock.now())
    assert told()[0][20:] == ["The authenticator app was removed"]


def test_one_event_is_mailed_once(db, web_vault, clock, ana, told):
    fields = {"account": ana.id.hex(), "event": "ab" * 16, "change": "codes-removed"}
    with db.write() as session:
        for _ in range(3):
            intake.submit(session, web_vault, "account-event", fields, clock.now())
    assert told()[0] == ["The authenticator app was removed"]
