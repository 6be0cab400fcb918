from dataclasses import dataclass

import pytest
from argon2 import PasswordHasher
from flask import Flask

from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.runtime.parts import WorkerParts
from portal.worker import drain
from tests.open_store import OpenStore
from tests.visitor import Visitor

PASSWORD = "a lantern for eleven owls"
HASH = PasswordHasher(1, 64, 1).hash(PASSWORD)


@dataclass
class House:
    """The whole portal on one database: its pages, its worker, its people."""

    app: Flask
    worker: WorkerParts

    def account(self, address: str, *, locale: str = "") -> bytes:
        store = OpenStore()
        with self.worker.db.write() as session:
            account = NewAccount(Profile(address, "Sam", "", locale), HASH)
            store.add(session, self.worker.vault, [account], self.worker.clock.now())
            found = store.find(session, self.worker.vault, address)
        assert found is not None
        return found.id

    def visitor(self) -> Visitor:
        visitor = self.app.test_client()
        assert isinstance(visitor, Visitor)
        return visitor

    def signed_in(self, address: str) -> Visitor:
        visitor = self.visitor()
        answer = visitor.submit("/sign-in/", email=address, password=PASSWORD)
        assert answer.status_code == 303, answer.text
        return visitor

    def deliver(self) -> None:
        drain(self.worker)


@pytest.fixture
def house(app, worker_parts) -> House:
    return House(app, worker_parts)
