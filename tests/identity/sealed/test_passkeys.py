"""Signing in with a passkey where the accounts are a company's own, which is asked for each."""

import pytest
from sqlalchemy import func, select

from portal.identity import state
from portal.identity.models import AccountState
from portal.identity.sealed.models import SealedJob
from portal.worker import drain
from tests.accounts.passkeys.authenticator import Authenticator
from tests.accounts.passkeys.pages import add, change, sign_in_with
from tests.identity.sealed.shop import ANN, OLD, cannot, settings, shop, shop_environ, told, worker
from tests.visitor import Visitor, leads_to

# The transport is tried on both databases in test_transport.py, and what follows is the same on both.
pytestmark = pytest.mark.sqlite

__all__ = ["cannot", "settings", "shop", "shop_environ", "worker"]


@pytest.fixture
def ann(shop) -> str:
    return shop.add(ANN, OLD)


@pytest.fixture
def phone(client, ann, worker) -> Authenticator:
    """Ann's passkey, which she made after a sign-in with her password."""
    with worker.working():
        waiting = client.submit("/sign-in/", email=ANN, password=OLD)
    assert told(client, waiting, worker).location == "/account/"
    passkey, answer = add(client)
    assert "Save your recovery codes" in answer.text
    return passkey


@pytest.fixture
def elsewhere(app) -> Visitor:
    return app.test_client()


def use(visitor: Visitor, passkey: Authenticator, worker):
    with worker.working():
        waiting = sign_in_with(visitor, passkey, "/sign-in/?next=/account/passkeys/")
        assert leads_to(waiting) == "/sign-in/passkey/wait/"
    return waiting


def test_a_passkey_signs_in_once_the_company_says_that_the_account_is_there(phone, elsewhere, worker, db):
    waiting = use(elsewhere, phone, worker)
    assert "We’re signing you in" in elsewhere.get(waiting.location).text
    assert elsewhere.get("/account/").status_code == 303
    assert told(elsewhere, waiting, worker).location == "/account/passkeys/"
    assert ANN in elsewhere.get("/account/").text
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(SealedJob)) == 0
    assert leads_to(elsewhere.get(waiting.location)) == "/sign-in/"


def test_an_account_that_the_company_closed_signs_nobody_in(phone, elsewhere, worker, shop, ann):
    shop.run("DELETE FROM people WHERE id = ?", ann)
    answer = told(elsewhere, use(elsewhere, phone, worker), worker)
    assert leads_to(answer).startswith("/sign-in/")
    assert "We couldn’t sign you in with that passkey" in elsewhere.get(answer.location).text
    assert elsewhere.get("/account/").status_code == 303


def test_a_passkey_that_is_removed_meanwhile_signs_nobody_in(client, phone, elsewhere, worker):
    waiting = use(elsewhere, phone, worker)
    change(client, "Phone", remove="1")
    assert leads_to(told(elsewhere, waiting, worker)).startswith("/sign-in/")
    assert elsewhere.get("/account/").status_code == 303


def test_while_the_store_is_away_nobody_gets_in(phone, elsewhere, worker, shop):
    shop.trouble("before get", "away")
    answer = told(elsewhere, use(elsewhere, phone, worker), worker)
    assert answer.status_code == 503
    assert elsewhere.get("/account/").status_code == 303


def test_a_required_password_is_chosen_with_a_mailed_link(phone, elsewhere, worker, db, clock, smtp):
    with db.write() as session:
        (account,) = session.scalars(select(AccountState.id)).all()
        state.require(session, [account], "everyone", clock.now())
    answer = told(elsewhere, use(elsewhere, phone, worker), worker)
    assert leads_to(answer) == "/reset/sent/"
    assert elsewhere.get("/account/").status_code == 303
    drain(worker.parts)
    assert "Your request for a new password" in [str(mail.message["Subject"]) for mail in smtp.to(ANN)]
