"""What the tests of a new password share: an account's people and their mails."""

import re
from dataclasses import dataclass

import pytest

from portal.core.clock import FixedClock
from portal.core.db import Database
from portal.core.settings import Settings
from portal.crypto.vault import WorkerVault
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.identity.service import hasher_for
from tests.mailbox import Delivered
from tests.open_store import OpenAccount, OpenStore

OLD = "correct-horse-battery-old"
NEW = "sunlit-marble-otter-harbour"
ANA = "ana.ruiz@northwind.example"
BEN = "ben@northwind.example"
REQUEST = "Your request for a new password"
STRANGER = "no.account@northwind.example"


@dataclass
class People:
    """Adds accounts and looks at them."""

    db: Database
    vault: WorkerVault
    clock: FixedClock
    settings: Settings
    store: OpenStore

    def add(
        self, address: str, password: str = OLD, *, name: str = "", ref: str = "", locale: str = ""
    ) -> bytes:
        account = NewAccount(
            Profile(address, name, locale=locale),
            hasher_for(self.settings).hash(password),
            frozenset({ref} - {""}),
        )
        with self.db.write() as session:
            self.store.add(session, self.vault, [account], self.clock.now())
        return self.account(address).id

    def account(self, address: str) -> OpenAccount:
        with self.db.read() as session:
            found = self.store.find(session, self.vault, address)
        assert found is not None
        return found

    def signs_in_with(self, address: str, password: str) -> bool:
        account = self.account(address)
        return hasher_for(self.settings).verify(account.password_hash, password) and not account.must_reset

    def require(self, address: str, reason: str = "exposed") -> None:
        with self.db.write() as session:
            self.store.require_reset(session, [self.account(address).id], reason, self.clock.now())


@pytest.fixture
def people(db: Database, worker_vault: WorkerVault, clock: FixedClock, settings: Settings) -> People:
    return People(db, worker_vault, clock, settings, OpenStore())


def link_in(mail: Delivered) -> str:
    """The path of the link that a mail carries, the same in both of its forms."""
    (path,) = set(re.findall(r"http://localhost:8000(/reset/[a-z2-7]{32}/)", mail.text + mail.html))
    return str(path)


def authenticity_in(mail: Delivered) -> str:
    """The code near the end of a mail, by which /is-it-real/ knows it."""
    (code,) = re.findall(r"\b([A-Z2-7]{7}-[A-Z2-7]{7})\b", mail.text)
    return str(code)


def code_in(mail: Delivered) -> str:
    (code,) = re.findall(r": ([A-Z2-7]{4}-[A-Z2-7]{4})$", mail.text, re.MULTILINE)
    return str(code)
