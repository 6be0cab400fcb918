"""People with accounts, and what a browser sees of them."""

from collections.abc import Callable

import pytest

from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.identity.service import hasher_for
from tests.open_store import OpenAccount, OpenStore

ADDRESS = "Ana.Ruiz@example.com"
PASSWORD = "a lantern for eleven owls"
STORE = OpenStore()


@pytest.fixture
def add_account(db, worker_vault, clock, settings) -> Callable:
    hasher = hasher_for(settings)

    def add(address: str = ADDRESS, password: str = PASSWORD, password_hash: str | None = None):
        new = NewAccount(Profile(address, "Ana Ruiz"), password_hash or hasher.hash(password))
        with db.write() as session:
            STORE.add(session, worker_vault, [new], clock.now())
            account = STORE.find(session, worker_vault, address)
        assert account is not None
        return account

    return add


@pytest.fixture
def ana(add_account) -> OpenAccount:
    return add_account()


@pytest.fixture
def sign_in(client) -> Callable:
    def submit(
        password: str = PASSWORD, address: str = ADDRESS, visitor=client, page: str = "/sign-in/", **options
    ):
        return visitor.submit(page, email=address, password=password, **options)

    return submit


@pytest.fixture
def browser_at(app) -> Callable:
    """A browser at an IP address, with its own cookies."""

    def at(ip: str):
        visitor = app.test_client()
        visitor.environ_base["REMOTE_ADDR"] = ip
        return visitor

    return at
