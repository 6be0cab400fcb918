"""A signed-in person's new password in the company's own store, and why one was not saved."""

import pytest
from sqlalchemy import delete, func, select

from portal.accounts.models import AccountSession
from portal.core.db import new_id
from portal.identity import state
from portal.intake.models import IntakeRequest
from portal.reset.external import attempts
from portal.reset.external import jobs as reset_jobs
from tests.identity.sealed.shop import (
    ANN,
    NEW,
    OLD,
    cannot,
    settings,
    shop,
    shop_environ,
    told,
    worker,
)
from tests.visitor import SAME_SITE, hidden, leads_to, main_of

__all__ = ["cannot", "settings", "shop", "shop_environ", "worker"]
pytestmark = pytest.mark.sqlite  # what goes to the database is tried on both in test_new_password.py


@pytest.fixture
def sign_in(client, worker):
    def signed_in(password=OLD):
        with worker.working():
            waiting = client.submit("/sign-in/", email=ANN, password=password)
        return told(client, waiting, worker)

    return signed_in


@pytest.fixture
def change(client, worker, sign_in):
    sign_in()

    def changed(current=OLD, password=NEW, before_worker=None):
        with worker.working():
            waiting = client.submit("/account/password/", current_password=current, password=password)
            assert leads_to(waiting) == "/account/password/wait/"
            if before_worker is not None:
                before_worker()
        return told(client, waiting, worker)

    return changed


@pytest.fixture(autouse=True)
def ann(shop):
    return shop.add(ANN, OLD)


def test_it_is_changed_and_this_browser_stays_signed_in(client, shop, ann, change, db):
    answer = change()
    assert leads_to(answer) == "/reset/done/"
    assert "Back to your account" in client.get(answer.location).text
    assert client.get("/account/").status_code == 200
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(AccountSession)) == 1
    assert shop.password(ann) == NEW


def test_a_wrong_current_password_is_told_and_counted(client, shop, ann, change):
    for _ in range(5):
        answer = change("wrong")
        assert answer.location == "/account/password/"
    assert "That’s not your current password." in client.get("/account/password/").text
    over = client.submit("/account/password/", current_password=OLD, password=NEW)
    assert leads_to(over) == "/sign-in/"
    assert shop.password(ann) == OLD


def test_a_stolen_web_server_cannot_guess_without_end(shop, ann, worker_parts, worker_vault, change):
    account = state.account_id(worker_vault, "shop", ann).hex()
    fields = {"account": account, "version": "1", "password": NEW, "language": "en"}
    told = [
        reset_jobs.change_password(new_id(), fields | {"current": guess}, worker_parts)["outcome"]
        for guess in [*["wrong"] * 20, OLD]
    ]
    assert told == [*["wrong"] * 20, "gone"]
    assert shop.password(ann) == OLD


def test_who_guessed_too_often_in_all_sessions_is_told_so(
    client, shop, ann, worker_parts, worker_vault, change
):
    account = state.account_id(worker_vault, "shop", ann).hex()
    fields = {"account": account, "version": "1", "password": NEW, "language": "en", "current": "wrong"}
    for _ in range(20):
        reset_jobs.change_password(new_id(), fields, worker_parts)
    assert leads_to(change()) == "/sign-in/"
    assert "because the current password was wrong too many times" in client.get("/sign-in/").text


def test_who_is_overtaken_is_told_why_this_one_was_not_saved(client, ann, change, db, clock, worker_vault):
    def require():
        with db.write() as session:
            state.require(session, [state.account_id(worker_vault, "shop", ann)], "exposed", clock.now())

    assert leads_to(change(before_worker=require)) == "/sign-in/"
    assert "your password was changed or locked in the meantime" in client.get("/sign-in/").text


def test_who_is_signed_out_meanwhile_is_told_so_where_the_password_was_wrong(client, ann, change, db):
    def sign_out():
        with db.write() as session:
            session.execute(delete(AccountSession))

    answer = change("wrong", before_worker=sign_out)
    assert (answer.status_code, leads_to(answer)) == (303, "/sign-in/")
    assert "Your last action didn’t go through" in client.get("/sign-in/").text


def test_another_change_under_way_is_named(client, shop, ann, change, db, clock, worker_vault):
    with db.write() as session:
        account = state.account_id(worker_vault, "shop", ann)
        attempts.begin(session, worker_vault, new_id(), account, ann, clock.now())
    answer = change()
    assert answer.status_code == 503
    assert "We didn’t save this password" in answer.text
    assert "We’re still saving another new password for your account" in answer.text
    assert 'href="/account/password/"' in answer.text
    assert client.get("/account/").status_code == 200
    assert shop.password(ann) == OLD


def test_the_current_password_again_is_refused(client, shop, change):
    change(OLD, OLD)
    assert "This is your current password." in client.get("/account/password/").text


def test_a_store_that_is_away_uses_up_no_try(client, shop, ann, change):
    shop.trouble("before verify", "away")
    for _ in range(6):
        assert change().status_code == 503
    shop.no_trouble()
    assert leads_to(change()) == "/reset/done/"


def test_where_nobody_knows_this_browser_is_signed_out_too(client, shop, change):
    shop.trouble("after set_password", "bug")
    answer = change()
    assert (answer.status_code, 'href="/reset/"' in answer.text) == (503, True)
    assert leads_to(client.get("/account/")).startswith("/sign-in/")


def test_an_address_is_changed_at_the_company_and_the_page_says_so(client, sign_in, db):
    def requests():
        with db.read() as session:
            return session.scalar(select(func.count()).select_from(IntakeRequest))

    sign_in()
    assert "Change it at Northwind Travel" in client.get("/account/").text
    page = main_of(client.get("/account/address/").text)
    assert "You change it at Northwind Travel, in your account there. This site then uses the new one" in page
    assert "<form" not in page
    before = requests()
    forged = hidden(client.get("/account/password/").text) | {"email": "ann@new.example"}
    answer = client.post("/account/address/", data=forged, headers=SAME_SITE)
    assert leads_to(answer) == "/account/address/"
    assert requests() == before
