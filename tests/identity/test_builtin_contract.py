"""The builtin store keeps the contract of the two ports, on both databases."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from sqlalchemy import delete, select

from portal.core.clock import Clock
from portal.core.db import Database
from portal.crypto.hashing import unset_hash
from portal.crypto.vault import WorkerVault
from portal.identity import state
from portal.identity.account import Profile
from portal.identity.builtin.access import BuiltinAccess
from portal.identity.builtin.adding import NewAccount
from portal.identity.builtin.models import AccountRow
from portal.identity.models import AccountState
from portal.identity.service import hasher_for
from tests.identity.contract import Contract, Customer, Shop
from tests.open_store import OpenStore


@dataclass
class Portal:
    """The portal's own accounts; a session is good while its account keeps its version."""

    db: Database
    vault: WorkerVault
    clock: Clock
    hash: dict[str | None, str]
    sessions: dict[str, int] = field(default_factory=dict)

    def add(self, customers: Sequence[Customer]) -> None:
        accounts = [
            NewAccount(
                Profile(one.address, one.name, locale=one.locale),
                self.hash[one.password],
                frozenset({one.reference} - {""}),
            )
            for one in customers
        ]
        with self.db.write() as session:
            OpenStore().add(session, self.vault, accounts, self.clock.now())

    def remove(self, address: str) -> None:
        with self.db.write() as session:
            row = select(AccountRow.id).where(AccountRow.address_index == self.vault.account_index(address))
            account_id = session.scalar(row)
            for table in (AccountRow, AccountState):
                session.execute(delete(table).where(table.id == account_id))

    def open_session(self, address: str) -> None:
        self.sessions[address] = self._version(address)

    def has_session(self, address: str) -> bool:
        return self._version(address) == self.sessions[address]

    def _version(self, address: str) -> int:
        with self.db.read() as session:
            found = OpenStore().find(session, self.vault, address)
            assert found is not None
            account = state.get(session, found.id)
        assert account is not None
        return account.version


class TestBuiltin(Contract):
    @pytest.fixture
    def shop(self, settings, db, worker_vault, clock) -> Shop:
        hasher = hasher_for(settings)
        hashed = {
            "the tide rises at nine": hasher.hash("the tide rises at nine"),
            None: unset_hash("m=64,t=1,p=1"),
        }
        product = Portal(db, worker_vault, clock, hashed)
        return Shop(BuiltinAccess(settings, db, worker_vault, hasher, clock), product, twins=False)
