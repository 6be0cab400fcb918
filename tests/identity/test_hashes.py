"""Stored password hashes open in their own account alone, with the account index key, and look alike."""

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from portal.app import create_app
from portal.crypto import keys
from portal.crypto.vault import WebVault
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.identity.builtin.jobs import inspect
from tests.open_store import OpenAccount, OpenStore
from tests.visitor import Visitor

STORE = OpenStore()
PASSWORD, OTHER = "a lantern for eleven owls", "nine quiet otters by the mill"
ANA, BEN = "ana@northwind.example", "ben@northwind.example"
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
LONGER = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=8, hash_len=64, salt_len=64)
HASHES = {ANA: CHEAP.hash(PASSWORD), BEN: LONGER.hash(OTHER)}


@pytest.fixture
def accounts(db, worker_vault, web_vault, clock) -> tuple[OpenAccount, OpenAccount]:
    """Ana's and Ben's."""
    with db.write() as session:
        new = [NewAccount(Profile(address), password_hash) for address, password_hash in HASHES.items()]
        STORE.add(session, worker_vault, new, clock.now())
        ana, ben = (STORE.find(session, web_vault, address) for address in HASHES)
    assert ana is not None
    assert ben is not None
    return ana, ben


def stored(db) -> list[tuple[str, str]]:
    with db.engine.connect() as connection:
        found = connection.execute(
            text("SELECT password_hash, closed FROM identity_accounts JOIN account_state USING (id)")
        )
        return [(row.password_hash, row.closed) for row in found]


def signs_in(app, address: str, password: str) -> bool:
    visitor: Visitor = app.test_client()
    return bool(visitor.submit("/sign-in/", email=address, password=password).status_code == 303)


def test_both_passwords_sign_in(app, accounts):
    assert [account.password_hash for account in accounts] == list(HASHES.values())
    assert signs_in(app, ANA, PASSWORD)
    assert signs_in(app, BEN, OTHER)


def test_every_stored_form_has_one_length_and_says_nothing(db, accounts, web_vault, clock):
    with db.write() as session:
        STORE.require_reset(session, [accounts[0].id], "exposed", clock.now())
        STORE.set_password(
            session,
            web_vault,
            accounts[1].id,
            expected_version=1,
            password_hash=CHEAP.hash("x"),
            now=clock.now(),
        )
    forms = [form for pair in stored(db) for form in pair]
    assert {len(form) for form in forms} == {720}
    for password_hash in HASHES.values():
        for part in password_hash.split("$")[3:]:
            assert not [form for form in forms if part in form]


def test_a_hash_moved_to_another_account_does_not_sign_in_and_the_operator_is_told(
    app, db, accounts, worker_parts, caplog
):
    moved = text("UPDATE identity_accounts SET password_hash = :hash WHERE id = :id")
    with db.write() as session:
        (form,) = session.scalars(
            text("SELECT password_hash FROM identity_accounts WHERE id = :id"), {"id": accounts[0].id}
        )
        session.execute(moved, {"hash": form, "id": accounts[1].id})
    assert not signs_in(app, BEN, PASSWORD)
    assert not signs_in(app, BEN, OTHER)
    assert signs_in(app, ANA, PASSWORD)
    assert "malformed" not in caplog.text
    inspect(worker_parts)
    assert "identity: 1 of 2 accounts were altered in the database" in caplog.text


def test_a_closed_password_keeps_its_form_when_its_column_changes(db, accounts, web_vault, clock):
    before = {form for form, _ in stored(db)}
    with db.write() as session:
        STORE.require_reset(session, [account.id for account in accounts], "everyone", clock.now())
        closed = [STORE.get(session, web_vault, account.id) for account in accounts]
    assert {form for _, form in stored(db)} == before
    assert [account.closed_hash for account in closed if account] == list(HASHES.values())


@pytest.mark.usefixtures("accounts")
def test_a_new_session_secret_leaves_every_password_valid(settings, db, clock, run):
    for _ in range(2):  # the second renewal ends what was signed with the first secret
        assert run("keys", "renew-session").exit_code == 0
    app = create_app(settings, db=db, clock=clock)
    app.test_client_class = Visitor
    assert signs_in(app, ANA, PASSWORD)
    assert signs_in(app, BEN, OTHER)


def test_another_portal_s_keys_open_nothing(db, accounts):
    with db.read() as session:
        other = STORE.get(session, WebVault(keys.generate()[0]), accounts[0].id)
    assert other is not None
    assert (other.password_hash, other.closed_hash) == ("", "")


def test_a_hash_in_the_clear_is_never_accepted_where_none_ever_was(app, db, accounts):
    with db.write() as session:
        session.execute(text("UPDATE identity_accounts SET password_hash = :hash"), {"hash": HASHES[ANA]})
    assert not signs_in(app, ANA, PASSWORD)
