"""The store `http` keeps the contract, over the wire, with the shipped example."""

from collections.abc import Iterator, Sequence
from types import ModuleType

import pytest

from portal.core.settings.http import HttpIdentity
from portal.identity.http.store import HttpStore
from tests.identity.company import EVERYTHING, SECRET, example, running
from tests.identity.contract import Contract, Customer, Shop


class Shopfront:
    """The company's product, which has the example's accounts."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        module.ACCOUNTS.clear()
        self.ids: dict[str, str] = {}

    def add(self, customers: Sequence[Customer]) -> None:
        for customer in customers:
            account = f"{len(self.ids):04}"
            self.ids[customer.address] = account
            self.module.ACCOUNTS[account] = {
                "id": account,
                "address": customer.address,
                "name": customer.name,
                "locale": customer.locale,
            }
            if customer.reference:
                self.module.ACCOUNTS[account]["references"] = [customer.reference]
            if customer.password:
                self.module.HASHES[account] = self.module.generate_password_hash(customer.password)

    def remove(self, address: str) -> None:
        account = self.ids.pop(address)
        del self.module.ACCOUNTS[account], self.module.HASHES[account]

    def open_session(self, address: str) -> None:
        self.module.SESSIONS[self.ids[address]] = ["a browser"]

    def has_session(self, address: str) -> bool:
        return bool(self.module.SESSIONS[self.ids[address]])


@pytest.fixture
def shop() -> Iterator[Shop]:
    module = example()
    with running(module) as url:
        yield Shop(HttpStore(HttpIdentity(url, (SECRET,), None, EVERYTHING)), Shopfront(module))


class TestExample(Contract):
    """All of it; the fixture is the module's."""
