"""The portal's own second factor, where passwords are in the company's store."""

from datetime import timedelta

import pytest

from portal.identity import state
from portal.identity.account import Account
from portal.reset.external import jobs as reset_jobs
from portal.worker import drain
from tests.authenticator import WRONG, App
from tests.identity.sealed.shop import ANN, NEW, OLD, cannot, settings, shop, shop_environ, told, worker
from tests.reset.journey import link_in
from tests.visitor import leads_to

# What is stored is tried on both databases with the builtin store, and is the same here.
pytestmark = pytest.mark.sqlite

__all__ = ["cannot", "settings", "shop", "shop_environ", "worker"]


@pytest.fixture
def phone(clock) -> App:
    return App(clock)


@pytest.fixture
def ann(shop, db, worker_vault, web_vault, phone):
    """Her id in the store; her account here has an authenticator app."""
    store_id = shop.add(ANN, OLD)
    with db.write() as session:
        account = state.ensure(session, worker_vault, "shop", shop.get([store_id])[0])
    phone.protect(db, web_vault, Account(account.id, "shop"))
    return store_id


@pytest.fixture
def send(client, worker):
    """Send a form whose password the worker verifies, and return what the waiting page leads to."""

    def sent(page, **fields):
        with worker.working():
            waiting = client.submit(page, to=page, **fields)
            assert waiting.status_code == 303
        return told(client, waiting, worker)

    return sent


def test_sign_in_asks_for_the_code_after_the_password(client, ann, send, phone):
    wrong = send("/sign-in/", email=ANN, password="not hers at all")
    assert "We couldn’t sign you in" in wrong.text
    second = send("/sign-in/", email=ANN, password=OLD)
    assert leads_to(second) == "/sign-in/second/"
    assert client.get("/account/").status_code == 303
    assert client.submit(second.location, code=phone.code()).location == "/account/"
    assert ANN in client.get("/account/").text


def test_a_change_asks_the_store_for_the_password_and_then_for_the_code(client, ann, send, phone, clock):
    client.submit(send("/sign-in/", email=ANN, password=OLD).location, code=phone.code())
    clock.advance(timedelta(minutes=11))
    page = client.get("/account/factors/codes/").location
    wrong = send(page, password="not hers at all")
    assert "That’s not your password." in client.get(wrong.location).text
    second = send(page, password=OLD)
    assert leads_to(second) == "/account/confirm/second/"
    assert client.submit(second.location, code=WRONG).status_code == 400
    assert client.submit(second.location, code=phone.code()).location == "/account/factors/codes/"
    assert client.get("/account/factors/codes/").status_code == 200


def test_a_store_that_is_away_costs_no_try(client, ann, send, shop, phone, clock):
    client.submit(send("/sign-in/", email=ANN, password=OLD).location, code=phone.code())
    clock.advance(timedelta(minutes=11))
    shop.trouble("before verify", "away")
    for _try in range(6):
        assert send("/account/confirm/", password=OLD).status_code == 503
    shop.no_trouble()
    assert leads_to(send("/account/confirm/", password=OLD)) == "/account/confirm/second/"


@pytest.fixture
def form(client, ann, worker_parts, smtp):
    """The form that a mailed link leads to."""
    client.submit("/reset/", email=ANN)
    drain(worker_parts)
    return str(client.get(link_in(smtp.to(ANN)[-1])).location)


def test_a_reset_asks_for_the_code_first(client, form, send, phone, shop, ann):
    page = client.get(form).location
    assert leads_to(client.submit(page, code=phone.code())) == "/reset/choose/"
    assert leads_to(send(form, password=NEW)) == "/reset/done/"
    assert shop.password(ann) == NEW


def test_the_worker_refuses_a_new_password_by_itself(client, form, phone, shop, ann, worker_parts):
    """Where the pages were deceived, the store is not asked."""
    with client.session_transaction() as stored:
        fields = {"token": stored["links reset"][0][0], "password": NEW, "language": "en"}
    for number, given in enumerate(({}, {"factor": ""}, {"factor": "made up"})):
        outcome = reset_jobs.new_password(bytes([number] * 16), fields | given, worker_parts)
        assert outcome == {"outcome": "factor missing"}
        assert shop.password(ann) == OLD
    client.submit(client.get(form).location, code=phone.code())
    with client.session_transaction() as stored:
        given = {"factor": stored["reset factors"][0][1]}
    assert reset_jobs.new_password(b"3" * 16, fields | given, worker_parts)["outcome"] == "changed"
