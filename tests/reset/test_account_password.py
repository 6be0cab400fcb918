"""Somebody who is signed in changes the password, with the current one as proof."""

from contextlib import ExitStack

import pytest
from sqlalchemy import text

from portal.accounts import login
from portal.crypto.hashing import hash_slots_for
from portal.reset import service
from portal.worker import drain
from tests.reset.journey import NEW, OLD, link_in
from tests.visitor import Visitor, hidden, leads_to

PAGE = "/account/password/"


@pytest.fixture
def at_home(client: Visitor, ana: str) -> Visitor:
    """Ana's browser, signed in."""
    assert client.submit("/sign-in/", email=ana, password=OLD).location == "/account/"
    return client


def test_the_current_password_is_proof(at_home, ana, people):
    done = at_home.submit(PAGE, current_password=OLD, password=NEW)
    assert (done.status_code, leads_to(done)) == (303, "/reset/done/")
    assert people.signs_in_with(ana, NEW)
    assert "Every other device is signed out" in at_home.get("/reset/done/").text


def test_this_browser_stays_signed_in_and_every_other_is_out(at_home, ana, app):
    elsewhere = app.test_client()
    elsewhere.submit("/sign-in/", email=ana, password=OLD)
    stolen = at_home.get_cookie("session")
    assert stolen is not None
    at_home.submit(PAGE, current_password=OLD, password=NEW)
    assert at_home.get("/account/").status_code == 200
    assert elsewhere.get("/account/").status_code == 303
    thief = app.test_client()
    thief.set_cookie("session", stolen.value)
    assert thief.get("/account/").status_code == 303, (
        "the session from before is dead, this browser has a new one"
    )


def test_who_is_overtaken_by_another_change_is_told_why_this_one_was_not_saved(
    at_home, ana, people, monkeypatch
):
    hash_new = service.hash_new

    def overtaken(*args):
        people.require(ana)
        return hash_new(*args)

    monkeypatch.setattr(service, "hash_new", overtaken)
    assert leads_to(at_home.submit(PAGE, current_password=OLD, password=NEW)) == "/sign-in/"
    said = at_home.get("/sign-in/").text
    assert "your new password isn’t saved: your password was changed or locked in the meantime" in said
    assert people.account(ana).must_reset


def test_who_is_signed_out_just_after_the_change_is_not_said_to_be_signed_in(
    at_home, ana, people, monkeypatch
):
    log_in = login.log_in

    def overtaken(token):
        people.require(ana)
        return log_in(token)

    monkeypatch.setattr(login, "log_in", overtaken)
    done = at_home.submit(PAGE, current_password=OLD, password=NEW)
    page = at_home.get(done.location).text
    assert "Every device is signed out" in page
    assert "Sign in with the new password" in page


def test_open_links_die_and_the_owner_is_told(at_home, ana, app, ask, worker_parts, smtp):
    link = link_in(ask(ana))
    at_home.submit(PAGE, current_password=OLD, password=NEW)
    assert app.test_client().get(link, follow_redirects=True).status_code == 410
    drain(worker_parts)
    told = smtp.to(ana)[-1]
    assert told.message["Subject"] == "Your password was changed"
    assert "We signed you out on every other device" in told.text
    assert "We signed you out on every other device" in told.html


def test_a_wrong_current_password_changes_nothing(at_home, ana, people):
    refused = at_home.submit(PAGE, current_password="wrong-wrong-wrong", password=NEW)
    assert refused.status_code == 400
    assert "That’s not your current password." in refused.text
    assert "<title>Error:" in refused.text
    assert people.signs_in_with(ana, OLD)


def test_what_was_left_empty_is_asked_for_and_is_no_wrong_guess(at_home, ana):
    for _ in range(7):
        refused = at_home.submit(PAGE, current_password="", password="")
        assert refused.status_code == 400
        assert "Enter your current password." in refused.text
        assert "Enter a new password." in refused.text
        assert "That’s not your current password." not in refused.text
    assert at_home.submit(PAGE, current_password=OLD, password=NEW).status_code == 303


def test_what_is_wrong_with_both_is_told_at_once(at_home, ana):
    refused = at_home.submit(PAGE, current_password="wrong-wrong-wrong", password="ana.ruiz").text
    summary = refused.partition('class="error-summary"')[2].partition("</div>")[0]
    for reason in ("not your current password", "shorter than 15 characters", "your own details"):
        assert reason in summary
        assert refused.count(reason) == 2, "it is not at its field"
    assert refused.count("Use one of our suggestions") == 1
    left_empty = at_home.submit(PAGE, current_password="", password="ana.ruiz").text
    assert "Enter your current password." in left_empty
    assert "shorter than 15 characters" in left_empty


def test_who_took_over_a_session_cannot_guess_on(at_home, ana, people):
    form = hidden(at_home.get(PAGE).text)
    answers = [
        at_home.post(PAGE, data=form | {"current_password": f"guess {number}", "password": NEW}).status_code
        for number in range(6)
    ]
    assert answers == [400] * 5 + [303]
    assert "because the current password was wrong too many times" in at_home.get("/sign-in/").text
    assert at_home.get("/account/").status_code == 303
    assert people.signs_in_with(ana, OLD)


def test_in_all_sessions_together_the_password_can_be_guessed_twenty_times(app, ana, people):
    guesses = 0
    for _ in range(6):
        browser = app.test_client()
        browser.submit("/sign-in/", email=ana, password=OLD)
        for number in range(5):
            shown = browser.get(PAGE)
            if shown.status_code != 200:
                break
            wrong = {"current_password": f"guess {number}", "password": NEW}
            guesses += browser.post(PAGE, data=hidden(shown.text) | wrong).status_code == 400
    assert guesses == 20
    assert people.signs_in_with(ana, OLD)


def test_when_every_core_hashes_no_try_is_counted(at_home, ana, db, people, settings, app):
    """Otherwise five 503 answers would end the session, and twenty fill the bucket, despite the right one."""

    def counted():
        with db.read() as session:
            return session.execute(text("SELECT sessions FROM sign_in_doors")).all()

    slots = hash_slots_for(settings)
    form = hidden(at_home.get(PAGE).text)
    at_home.post(PAGE, data=form | {"current_password": "a first guess", "password": NEW})
    before = counted()
    with ExitStack() as full:
        for _ in range(slots.count):
            full.enter_context(slots.taken())
        for _ in range(2):
            busy = at_home.post(PAGE, data=form | {"current_password": OLD, "password": NEW})
            assert (busy.status_code, int(busy.headers["Retry-After"]) > 0) == (503, True)
    assert len(before) == 1
    assert counted() == before
    for number in range(3):
        wrong = at_home.post(PAGE, data=form | {"current_password": f"guess {number}", "password": NEW})
        assert wrong.status_code == 400
    assert leads_to(at_home.submit(PAGE, current_password=OLD, password=NEW)) == "/reset/done/"
    assert people.signs_in_with(ana, NEW)


def test_a_session_asks_twenty_times_an_hour_at_most(at_home, ana, people, clock, app):
    form = hidden(at_home.get(PAGE).text)
    wanted = form | {"current_password": OLD, "password": OLD}
    statuses = [at_home.post(PAGE, data=wanted).status_code for _ in range(22)]
    assert statuses == [400] * 20 + [429] * 2
    elsewhere = app.test_client()
    elsewhere.submit("/sign-in/", email=ana, password=OLD)
    assert leads_to(elsewhere.submit(PAGE, current_password=OLD, password=NEW)) == "/reset/done/"


def test_refused_new_passwords_are_no_wrong_guesses(at_home, ana, people):
    for _ in range(7):
        refused = at_home.submit(PAGE, current_password=OLD, password="too short")
        assert "shorter than 15 characters" in refused.text
    assert at_home.submit(PAGE, current_password=OLD, password=NEW).status_code == 303


def test_the_old_password_and_the_own_address_are_refused(at_home, ana):
    assert "This is your current password" in at_home.submit(PAGE, current_password=OLD, password=OLD).text
    assert (
        "your own details" in at_home.submit(PAGE, current_password=OLD, password="Ana.Ruiz-1987-04-05").text
    )


def test_a_current_password_too_long_to_be_checked_leads_to_the_mail(at_home):
    page = at_home.submit(PAGE, current_password="x" * 257, password=NEW)
    assert page.status_code == 400
    assert "you can only change it by email" in page.text


def test_a_required_reset_does_not_take_the_current_password_as_proof(at_home, ana, people):
    form = hidden(at_home.get(PAGE).text)
    people.require(ana)
    answer = at_home.post(PAGE, data=form | {"current_password": OLD, "password": NEW})
    assert (answer.status_code, answer.location) == (303, "/sign-in/")
    assert not people.signs_in_with(ana, NEW)


def test_who_is_not_signed_in_is_led_to_the_sign_in_and_back(client, ana):
    answer = client.get(PAGE)
    assert (answer.status_code, answer.location) == (303, "/sign-in/?next=/account/password/")
    assert client.submit(str(answer.location), email=ana, password=OLD).location == PAGE


def test_password_managers_find_their_fields(at_home, ana):
    page = at_home.get(PAGE).text
    assert 'autocomplete="current-password"' in page
    assert 'autocomplete="new-password"' in page
    assert f'value="{ana}" autocomplete="username"' in page
