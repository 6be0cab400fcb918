"""The builtin user store: accounts in the portal's own database."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from portal.core.db import Database
from portal.core.settings import Settings
from portal.crypto.vault import VaultError, WebVault, WorkerVault
from portal.identity import state
from portal.identity.account import Account
from portal.identity.builtin import adding, costs, hashes, passwords, profiles, references
from portal.identity.builtin.adding import NewAccount, Stored
from portal.identity.builtin.hashes import FINGERPRINT
from portal.identity.builtin.models import AccountRow
from portal.identity.models import AccountState
from portal.identity.ports import Capabilities

log = logging.getLogger("portal.identity")

# Of the references that earlier versions stored with the account.
FORMER_REF_PURPOSE = "account-ref"
_PAGE = 500
_BY_ADDRESS: Any = (
    select(*state.COLUMNS)
    .join(AccountRow, AccountRow.id == AccountState.id)
    .where(AccountRow.address_index == bindparam("key"))
)


class BuiltinStore:
    """The port's implementation on the portal's own tables."""

    name: ClassVar[str] = "builtin"
    settings: ClassVar[tuple[str, ...]] = ()
    secrets: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def declared(cls, settings: Settings) -> Capabilities:  # noqa: ARG003 - every one can do the same
        """Return what it can do: everything."""
        return Capabilities(
            verify=True,
            set_password=True,
            require_change=True,
            end_sessions=True,
            remembers_closed=True,
            find_by_reference=True,
            change_ends_sessions=True,
        )

    def find(self, session: Session, vault: WebVault, address: str) -> Account | None:
        """Return the account that signs in with a normalised address, ignoring ASCII case, or None."""
        try:
            row = session.execute(_BY_ADDRESS, {"key": vault.account_index(address)}).first()
        except (TypeError, ValueError):  # see `state.get`
            return None
        return state.account_of(row) if row else None

    def dummy_hash(self, session: Session, vault: WebVault, address: str) -> str | None:
        """Return a hash that no password matches; the address determines its cost, drawn from the store's."""
        return costs.stand_in(session, vault, address)

    def require_reset(
        self, session: Session, account_ids: Sequence[bytes], reason: str, now: datetime
    ) -> list[bytes]:
        """Close the passwords of these accounts until new ones are chosen; return those that were open."""
        password = select(AccountRow.password_hash).where(AccountRow.id == AccountState.id).scalar_subquery()
        return state.require(session, account_ids, reason, now, {"closed": password})

    def references(self, session: Session, vault: WorkerVault, account_id: bytes) -> list[str]:
        """Return the customer numbers of an account, sorted. Raises AccountMissing, VaultError."""
        former = state.owner(session, vault, account_id).account_ref
        found = references.of_accounts(session, vault, [account_id]).get(account_id, set())
        return sorted({*found, former} - {""})

    def find_by_ref(self, session: Session, vault: WorkerVault, account_ref: str) -> list[Account]:
        """Return the accounts with this customer number of the company."""
        ids = references.accounts_with(session, vault, account_ref)
        index = vault.list_index(FORMER_REF_PURPOSE, account_ref)
        for account_id in session.scalars(select(AccountRow.id).where(AccountRow.ref_index == index)):
            # The web process can write the index, but not the profile.
            with suppress(VaultError):
                if state.owner(session, vault, account_id).account_ref == account_ref:
                    ids.append(account_id)
        return list(state.get_many(session, sorted(set(ids))).values())

    def all_ids(self, session: Session, after: bytes | None, limit: int) -> list[bytes]:
        """Return up to `limit` account ids greater than `after`, ascending."""
        query = select(AccountRow.id).order_by(AccountRow.id).limit(limit)
        if after is not None:
            query = query.where(AccountRow.id > after)
        return list(session.scalars(query))

    def add(
        self, session: Session, vault: WorkerVault, accounts: Iterable[NewAccount], now: datetime
    ) -> Stored:
        """Add or update accounts with distinct addresses: see `adding.add`."""
        return adding.add(session, vault, accounts, now)

    def count_costs(self, db: Database, vault: WebVault) -> Counter[str]:
        """Return the number of accounts per class of cost.

        Reads every row, a page at a time. Hashes that do not open, or are none, are skipped.
        """
        counted: Counter[str] = Counter()
        page = select(AccountRow.id, AccountRow.password_hash).order_by(AccountRow.id).limit(_PAGE)
        following = page
        while True:
            with db.read() as session:
                fingerprint = session.scalar(select(FINGERPRINT))
                rows = session.execute(following).all()
            for account_id, stored in rows:
                if name := costs.class_of(hashes.decrypt(vault, account_id, stored, fingerprint)):
                    counted[name] += 1
            if len(rows) < _PAGE:
                return counted
            following = page.where(AccountRow.id > rows[-1].id)

    def count_altered(
        self, session: Session, vault: WorkerVault, after: bytes | None, limit: int
    ) -> tuple[int, int, bytes | None]:
        """Return how many of up to `limit` accounts there are, how many were altered, and the next `after`.

        Altered are rows whose profile, a hash or the address index is not what the portal wrote.
        """
        ids = self.all_ids(session, after, limit)
        stored = select(AccountRow.id, AccountRow.address_index, AccountRow.profile)
        rows = {row.id: row for row in session.execute(stored.where(AccountRow.id.in_(ids)))}
        intact = 0
        for account_id, password in passwords.of_many(session, vault, ids).items():
            with suppress(VaultError):
                profile = profiles.decrypt(vault, account_id, rows[account_id].profile)
                fits = vault.account_index(profile.address) == rows[account_id].address_index
                intact += bool(fits and password.stored and password.closed)
        return len(ids), len(ids) - intact, ids[-1] if len(ids) == limit else None
