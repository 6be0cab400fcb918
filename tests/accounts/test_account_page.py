"""The account page: each thing with its state and one link, and the answer that goes to the mailbox."""

from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import text

from portal.intake.models import IntakeRequest
from portal.runtime.parts import AccountLine
from portal.worker import drain
from tests.accounts.conftest import ADDRESS, STORE
from tests.accounts.known import recognise
from tests.visitor import hidden


@pytest.fixture
def chosen_here(db, clock, ana, web_vault):
    """Ana chose her password on this portal."""
    with db.write() as session:
        STORE.set_password(
            session, web_vault, ana.id, expected_version=1, password_hash=ana.password_hash, now=clock.now()
        )


def test_a_password_from_before_the_breach_is_due(client, ana, sign_in):
    sign_in()
    page = client.get("/account/").text
    assert 0 < page.index("Things to do") < page.index("Not changed yet") < page.index("<dt>Reminders</dt>")
    assert "<dt>Password</dt>" not in page


def test_each_thing_has_its_state_and_one_link(client, ana, chosen_here, sign_in):
    sign_in()
    page = client.get("/account/").text
    for name, href in (
        ("Password", "/account/password/"),
        ("Reminders", "/account/reminders/"),
        ("Devices", "/account/sessions/"),
        ("Email updates", "/subscribe/"),
    ):
        assert f"<dt>{name}</dt>" in page
        assert f'href="{href}"' in page
    assert "Signed in on this device only" in page


def test_the_password_s_line_says_when_it_was_changed(client, clock, chosen_here, sign_in):
    clock.advance(timedelta(days=40))
    sign_in()
    assert "Changed on 23 November 2026" in client.get("/account/").text


def test_what_is_due_comes_before_everything_else(client, app, chosen_here, sign_in):
    parts = app.extensions["portal"]
    due = AccountLine("Second factor", "Missing <b>since</b> Monday", "/account/factor/", "Set up", due=True)
    app.extensions["portal"] = replace(parts, account_lines=(*parts.account_lines, lambda *_: due))
    sign_in()
    page = client.get("/account/").text
    assert 0 < page.index("Things to do") < page.index("Second factor") < page.index("<dt>Password</dt>")
    assert "Missing &lt;b&gt;since" in page


def test_the_page_speaks_the_readers_language(client, ana, sign_in):
    sign_in()
    page = client.get("/account/", headers={"Accept-Language": "es"}).text
    assert '<html lang="es"' in page


def test_my_answer_comes_by_mail_and_names_me_to_the_worker_alone(
    client, db, ana, sign_in, web_vault, worker_parts, smtp
):
    recognise(client, web_vault, ana)
    sign_in()
    answer = client.submit("/account/", to="/account/answer/")
    assert (answer.status_code, answer.location) == (303, "/check/sent/")
    with db.read() as session:
        request = session.query(IntakeRequest).one()
    assert request.purpose == "check-account"
    assert ana.id not in request.sealed
    assert "your account’s address" in client.get("/check/sent/").text
    drain(worker_parts)
    (mail,) = smtp.messages
    assert mail.recipients == (ADDRESS,)
    with db.read() as session:
        assert session.scalar(text("SELECT count(*) FROM intake_replies")) == 1


def test_the_next_page_speaks_of_the_account_for_that_flow_alone(client, ana, sign_in):
    sign_in()
    client.submit("/account/", to="/account/answer/")
    client.submit("/check/", email="other@northwind.example")
    assert "the address you entered" in client.get("/check/sent/").text


def test_who_is_not_signed_in_asks_for_nothing(client, db, ana):
    form = hidden(client.get("/sign-in/").text)
    answer = client.post("/account/answer/", data=form)
    assert (answer.status_code, answer.location) == (303, "/sign-in/")
    with db.read() as session:
        assert session.query(IntakeRequest).count() == 0


def test_asking_for_the_answer_has_the_limit_of_a_check(portal_with, ana, sign_in):
    client = portal_with(limits={"check_ip": "3 per hour"}).test_client()
    sign_in(visitor=client)
    form = hidden(client.get("/account/").text)
    statuses = [client.post("/account/answer/", data=form).status_code for _ in range(4)]
    assert statuses == [303, 303, 303, 429]


def test_the_address_is_shown_as_text_whatever_it_holds(client, add_account, sign_in):
    add_account("o'neil&sons@example.com")
    sign_in(address="o'neil&sons@example.com")
    page = client.get("/account/").text
    assert "o&#39;neil&amp;sons@example.com" in page
    assert "o'neil&sons@example.com" in unescape(page)
