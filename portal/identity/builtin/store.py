"""The builtin user store: accounts in the portal's own database."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Row, Select, bindparam, select, update
from sqlalchemy.orm import Session

from portal.core.db import Database
from portal.core.settings import Settings
from portal.crypto.vault import VaultError, WebVault, WorkerVault
from portal.identity import state
from portal.identity.account import Profile
from portal.identity.builtin import adding, costs, hashes, profiles, references
from portal.identity.builtin.adding import NewAccount, Stored
from portal.identity.builtin.hashes import FINGERPRINT
from portal.identity.builtin.models import AccountRow
from portal.identity.models import AccountState
from portal.identity.port import Account
from portal.identity.ports import Capabilities

log = logging.getLogger("portal.identity")

# Of the references that earlier versions stored with the account.
FORMER_REF_PURPOSE = "account-ref"
_PAGE = 500
_ACCOUNTS: Any = (
    select(*state.COLUMNS, AccountRow.password_hash, AccountState.closed, FINGERPRINT.label("fingerprint"))
    .select_from(AccountRow)
    .join(AccountState, AccountState.id == AccountRow.id)
)
# Built once: they run for every sign-in, page of an account and mail about one.
_BY_ID = _ACCOUNTS.where(AccountRow.id == bindparam("key"))
_BY_ADDRESS = _ACCOUNTS.where(AccountRow.address_index == bindparam("key"))
_HASH = select(AccountRow.password_hash, FINGERPRINT).where(AccountRow.id == bindparam("key"))


class BuiltinStore:
    """The port's implementation on the portal's own tables."""

    name: ClassVar[str] = "builtin"
    settings: ClassVar[tuple[str, ...]] = ()

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
        found = _first(session, vault, _BY_ADDRESS, vault.account_index(address))
        if found is None:
            hashes.decrypt_decoy(vault)
        return found

    def get(self, session: Session, vault: WebVault, account_id: bytes) -> Account | None:
        """Return an account by its id, or None."""
        return _first(session, vault, _BY_ID, account_id)

    def all_indexes(self, session: Session, after: bytes | None, limit: int) -> list[bytes]:
        """Return up to `limit` account indexes greater than `after`, ascending."""
        query = select(AccountRow.address_index).order_by(AccountRow.address_index).limit(limit)
        if after is not None:
            query = query.where(AccountRow.address_index > after)
        return list(session.scalars(query))

    def dummy_hash(self, session: Session, vault: WebVault, address: str) -> str | None:
        """Return a hash that no password matches; the address determines its cost, drawn from the store's."""
        return costs.stand_in(session, vault, address)

    def set_password(
        self,
        session: Session,
        vault: WebVault,
        account_id: bytes,
        *,
        expected_version: int,
        password_hash: str,
        now: datetime,
        by_mail_at: datetime | None = None,
    ) -> bool:
        """Store a new password's hash; return False when the version is not `expected_version`."""
        if not state.changed(
            session, account_id, expected_version=expected_version, now=now, by_mail_at=by_mail_at
        ):
            return False
        self._store_hash(session, vault, account_id, password_hash)
        return True

    def upgrade_hash(self, session: Session, vault: WebVault, account: Account, password_hash: str) -> bool:
        """Replace an unchanged password's hash by one of today's cost; sessions and links stay valid."""
        row = session.execute(_ACCOUNTS.where(AccountRow.id == account.id).with_for_update()).first()
        if row is None or _account(vault, row) != account:
            return False
        self._store_hash(session, vault, account.id, password_hash)
        return True

    def _store_hash(self, session: Session, vault: WebVault, account_id: bytes, password_hash: str) -> None:
        stored, fingerprint = session.execute(_HASH, {"key": account_id}).one()
        costs.changed(session, hashes.decrypt(vault, account_id, stored, fingerprint), password_hash)
        encrypted = hashes.encrypt(vault, account_id, password_hash)
        session.execute(update(AccountRow).where(AccountRow.id == account_id).values(password_hash=encrypted))

    def require_reset(
        self, session: Session, account_ids: Sequence[bytes], reason: str, now: datetime
    ) -> list[bytes]:
        """Close the passwords of these accounts until new ones are chosen; return those that were open."""
        password = select(AccountRow.password_hash).where(AccountRow.id == AccountState.id).scalar_subquery()
        return state.require(session, account_ids, reason, now, {"closed": password})

    def profile(self, session: Session, vault: WorkerVault, account_id: bytes) -> Profile:
        """Return the account's owner. Raises AccountMissing, VaultError."""
        return state.owner(session, vault, account_id)

    def choose_language(self, session: Session, vault: WorkerVault, account_id: bytes, language: str) -> None:
        """Store the language that the person chose. Raises AccountMissing, VaultError."""
        state.choose_language(session, vault, account_id, language)

    def chosen_languages(
        self, session: Session, vault: WorkerVault, after: bytes | None, limit: int
    ) -> tuple[dict[bytes, str], bytes | None]:
        """Return chosen languages by account index: see `state.chosen_languages`."""
        return state.chosen_languages(session, vault, after, limit)

    def references(self, session: Session, vault: WorkerVault, account_id: bytes) -> list[str]:
        """Return the customer numbers of an account, sorted. Raises AccountMissing, VaultError."""
        former = self.profile(session, vault, account_id).account_ref
        found = references.of_accounts(session, vault, [account_id]).get(account_id, set())
        return sorted({*found, former} - {""})

    def find_by_ref(self, session: Session, vault: WorkerVault, account_ref: str) -> list[Account]:
        """Return the accounts with this customer number of the company."""
        ids = references.accounts_with(session, vault, account_ref)
        index = vault.list_index(FORMER_REF_PURPOSE, account_ref)
        for account_id in session.scalars(select(AccountRow.id).where(AccountRow.ref_index == index)):
            # The web process can write the index, but not the profile.
            with suppress(VaultError):
                if self.profile(session, vault, account_id).account_ref == account_ref:
                    ids.append(account_id)
        return list(_all(session, vault, sorted(set(ids))).values())

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
        accounts = _all(session, vault, ids)
        intact = 0
        for account_id, account in accounts.items():
            with suppress(VaultError):
                profile = profiles.decrypt(vault, account_id, rows[account_id].profile)
                fits = vault.account_index(profile.address) == rows[account_id].address_index
                intact += bool(fits and account.password_hash and account.closed_hash)
        return len(ids), len(ids) - intact, ids[-1] if len(ids) == limit else None


def _first(session: Session, vault: WebVault, statement: Select[Any], key: bytes) -> Account | None:
    """Return the account with a key, or None.

    SQLite stores any type. A forged row that cannot be read counts as none: by an error, an
    attacker who damages a row and then tries one address after the other would learn whose it was.
    """
    try:
        row = session.execute(statement, {"key": key}).first()
    except (TypeError, ValueError):
        return None
    return _account(vault, row) if row else None


def _all(session: Session, vault: WebVault, ids: Sequence[bytes]) -> dict[bytes, Account]:
    """Return the accounts with these ids; those that cannot be read are missing."""
    try:
        rows = session.execute(_ACCOUNTS.where(AccountRow.id.in_(ids))).all()
        read = {row.id: _account(vault, row) for row in rows}
    except (TypeError, ValueError):  # one row spoils the result: read them one by one
        read = {account_id: _first(session, vault, _BY_ID, account_id) for account_id in ids}
    return {account_id: account for account_id, account in read.items() if account}


def _account(vault: WebVault, row: Row[Any]) -> Account | None:
    """Return the account of a row of `_ACCOUNTS`, or None if its version is no number."""
    found = state.account_of(row)
    if found is None:
        return None
    return Account(
        **vars(found),
        password_hash=hashes.decrypt(vault, row.id, row.password_hash, row.fingerprint),
        closed_hash=hashes.decrypt(vault, row.id, row.closed, row.fingerprint),
    )
