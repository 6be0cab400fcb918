"""Whoever damages an account's row does not see, from any form, which address it belongs to."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import text

from portal.core.db import Database
from portal.crypto.hashing import dummy_hash
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.identity.builtin.jobs import inspect
from portal.identity.service import hasher_for
from portal.worker import drain
from tests import traces
from tests.open_store import OpenStore
from tests.visitor import hidden

STORE = OpenStore()
ANN, BOB, EVE = (f"{name}@northwind.example" for name in ("ann", "bob", "eve"))
EVERY_KIND = [
    "profile = x'00'",
    "profile = (SELECT profile FROM identity_accounts other WHERE other.address_index <> :index LIMIT 1)",
    "password_hash = (SELECT password_hash FROM identity_accounts o WHERE o.address_index <> :index LIMIT 1)",
    "password_hash = ''",
    "address_index = :wrong",
]
# Only SQLite stores them.
OF_ANY_TYPE = [
    "profile = 'a text'",
    "password_hash = x'00ff'",
]
STATE_OF_EVERY_KIND = [
    "closed = '!'",
    "closed = (SELECT closed FROM account_state o WHERE o.id <> :id LIMIT 1)",
]
STATE_OF_ANY_TYPE = ["closed = 7", "version = 'a text'", "password_changed_at = 'a text'"]


@pytest.fixture(params=[*EVERY_KIND, *STATE_OF_EVERY_KIND, "gone", *OF_ANY_TYPE, *STATE_OF_ANY_TYPE])
def damage(request, db, worker_vault, clock) -> Callable[[], None]:
    """Damages Ann's row in one way; Bob has an account too, Eve has none."""
    accounts = [NewAccount(Profile(address), dummy_hash("m=64,t=1,p=1")) for address in (ANN, BOB)]
    with db.write() as session:
        STORE.add(session, worker_vault, accounts, clock.now())
    change = request.param
    if not db.is_sqlite:
        if change in OF_ANY_TYPE + STATE_OF_ANY_TYPE:
            pytest.skip("PostgreSQL refuses it")
        change = change.replace("x'00'", "'\\x00'::bytea")

    table = "account_state" if change in STATE_OF_EVERY_KIND + STATE_OF_ANY_TYPE else "identity_accounts"
    statement = f"UPDATE {table} SET {change} WHERE id = :id"
    if change == "gone":
        statement = "DELETE FROM account_state WHERE id = :id"

    def spoil() -> None:
        values = {"index": worker_vault.account_index(ANN), "wrong": bytes(16)}
        with db.write() as session:
            found = text("SELECT id FROM identity_accounts WHERE address_index = :index")
            values["id"] = session.scalar(found, values)
            session.execute(
                text(statement), {name: values[name] for name in values if f":{name}" in statement}
            )

    return spoil


def test_a_sign_in_shows_nothing(app, db: Database, damage, caplog):
    damage()
    seen = []
    for address in (ANN, BOB, EVE):
        browser = app.test_client()
        form = hidden(browser.get("/sign-in/").text) | {"email": address, "password": "a wrong one"}
        before = traces.lengths(db)
        with traces.statements(db) as statements:
            answer = browser.post("/sign-in/", data=form)
        seen.append((answer.status_code, statements, traces.change(before, traces.lengths(db))))
    # The first try of a network adds its bucket.
    assert seen[1] == seen[2]
    assert (seen[0][0], seen[0][1]) == (400, seen[1][1])
    assert caplog.text == ""


def test_a_reset_shows_nothing_but_in_the_mail(app, db, damage, worker_parts, smtp, caplog):
    damage()
    seen = []
    for address in (ANN, BOB, EVE):
        browser = app.test_client()
        browser.post("/reset/", data=hidden(browser.get("/reset/").text) | {"email": address})
        before = traces.lengths(db)
        with traces.statements(db) as statements:
            drain(worker_parts)
        (mail,) = smtp.to(address)
        seen.append((statements, traces.change(before, traces.lengths(db)), len(mail.content)))
    assert seen[0] == seen[1] == seen[2]
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert "/reset/" in smtp.to(BOB)[0].text
    (mail,) = smtp.to(EVE)
    assert "no account here" in mail.text


def test_the_operator_is_told_once_a_day(damage, worker_parts, clock, caplog):
    inspect(worker_parts)
    assert caplog.text == ""
    damage()
    inspect(worker_parts)
    assert caplog.text == ""
    inspect(replace(worker_parts, clock=replace(clock, at=clock.now().replace(day=24))))
    assert "identity: 1 of 2 accounts were altered in the database" in caplog.text
    assert "northwind" not in caplog.text


def test_a_damaged_profile_gets_a_mail_without_a_link_that_says_whom_to_ask(
    app, db, worker_vault, worker_parts, clock, smtp
):
    with db.write() as session:
        STORE.add(session, worker_vault, [NewAccount(Profile(ANN), dummy_hash("m=64,t=1,p=1"))], clock.now())
        session.execute(text("UPDATE identity_accounts SET profile = :blob"), {"blob": bytes(284)})
    assert app.test_client().submit("/reset/", email=ANN).status_code == 303
    drain(worker_parts)
    (mail,) = smtp.to(ANN)
    for part in (mail.text, mail.html):
        assert "couldn’t prepare your link" in part
        assert "help@northwind.example" in part
        assert "http://localhost:8000/reset/" not in part


@pytest.fixture
def signed_in(app, db, worker_vault, clock, settings):
    """Ann's browser, signed in before her profile was damaged."""
    password = "a lantern for eleven owls"
    account = NewAccount(Profile(ANN), hasher_for(settings).hash(password))
    with db.write() as session:
        STORE.add(session, worker_vault, [account], clock.now())
    browser = app.test_client()
    assert browser.submit("/sign-in/", email=ANN, password=password).status_code == 303
    with db.write() as session:
        session.execute(text("UPDATE identity_accounts SET profile = :blob"), {"blob": bytes(284)})
    return browser


def test_a_check_from_the_account_is_answered_as_if_the_address_had_been_typed(signed_in, worker_parts, smtp):
    form = hidden(signed_in.get("/account/").text)
    assert signed_in.post("/account/answer/", data=form).status_code == 303
    drain(worker_parts)
    (mail,) = smtp.to(ANN)
    assert "/check/answer/" in mail.text


def test_a_changed_password_leaves_no_request_behind(signed_in, db, worker_parts, caplog):
    changed = {
        "current_password": "a lantern for eleven owls",
        "password": "sunlit marble otter harbour",
    }
    assert signed_in.submit("/account/password/", **changed).status_code == 303
    drain(worker_parts)
    with db.read() as session:
        assert session.scalar(text("SELECT count(*) FROM intake_requests")) == 0
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
