"""The builtin store behind the two ports, as the worker calls any store: each call is its own transaction.

The web process does not use it: it spends a link and stores the hash in one transaction (`passwords.py`).
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core.clock import Clock
from portal.core.db import Database
from portal.core.settings import Settings
from portal.crypto.hashing import Hasher, PasswordTooLong
from portal.crypto.vault import VaultError, WorkerVault
from portal.identity import state
from portal.identity.builtin import hashes, passwords, profiles, references
from portal.identity.builtin.models import AccountRow
from portal.identity.builtin.passwords import NewPassword
from portal.identity.builtin.store import BuiltinStore
from portal.identity.models import AccountState
from portal.identity.ports import Capabilities, Entry, KeepClosed, StoreFault, Verdict

REASON = "required"


class BuiltinAccess:
    """Finds accounts by their ids in hexadecimal, and verifies and changes their passwords."""

    def __init__(
        self, settings: Settings, db: Database, vault: WorkerVault, hasher: Hasher, clock: Clock
    ) -> None:
        """Store what it works with."""
        self.name = BuiltinStore.name
        self.capabilities: Capabilities = BuiltinStore.declared(settings)
        self._db, self._vault, self._hasher, self._clock = db, vault, hasher, clock
        self._store = BuiltinStore()

    def find(self, addresses: Sequence[str]) -> list[Entry]:
        """Return the accounts that sign in with these normalised addresses, ignoring ASCII case."""
        indexes = [self._vault.account_index(address) for address in addresses]
        with self._db.read() as session:
            return self._entries(session, AccountRow.address_index.in_(indexes))

    def find_by_reference(self, references: Sequence[str]) -> list[Entry]:
        """Return the accounts with these customer numbers."""
        with self._db.read() as session:
            ids = [
                account.id
                for reference in references
                for account in self._store.find_by_ref(session, self._vault, reference)
            ]
            return self._entries(session, AccountRow.id.in_(ids))

    def get(self, ids: Sequence[str]) -> list[Entry]:
        """Return the accounts with these ids; those that are gone are missing."""
        with self._db.read() as session:
            return self._entries(session, AccountRow.id.in_(_rows(ids)))

    def page(self, after: str | None, limit: int) -> list[Entry]:
        """Return up to `limit` accounts after an id, in the order of their ids."""
        with self._db.read() as session:
            ids = self._store.all_ids(session, bytes.fromhex(after) if after else None, limit)
            return self._entries(session, AccountRow.id.in_(ids))

    def verify(self, account_id: str | None, plain: str, seed: bytes = b"") -> Verdict:
        """Return whether a typed password signs in. Without an account it takes as long, and is WRONG."""
        ids = _rows([account_id or ""])
        with self._db.read() as session:
            password = passwords.of(session, self._vault, ids[0]) if ids else None
            dummy = self._store.dummy_hash(session, self._vault, seed.hex())
        fits = passwords.verify(self._hasher, password, plain, dummy).fits
        closed = password is None or password.account.must_reset
        return Verdict.FITS if fits and not closed else Verdict.WRONG

    def was_closed(self, account_id: str, plain: str, closed: bytes) -> bool:
        """Return whether a password is the one that `require_change` closed."""
        row_id = bytes.fromhex(account_id)
        former = hashes.decrypt(self._vault, row_id, closed.decode(), None)
        try:
            return bool(former) and self._hasher.verify_typed(former, plain).fits
        except PasswordTooLong:
            return False

    def set_password(self, account_id: str, plain: str) -> None:
        """Store a new password, in NFC, and end a required change."""
        new = NewPassword(self._hasher.hash(plain))
        with self._db.write() as session:
            account = state.get(session, bytes.fromhex(account_id))
            now = self._clock.now()
            if account is None or not passwords.store(session, self._vault, account, new, now=now):
                message = "an account is gone, or was changed at this moment"
                raise StoreFault(message)

    def require_change(self, account_ids: Sequence[str], keep: KeepClosed) -> int:
        """Close the passwords of up to 500 accounts until new ones are set; return how many were open."""
        wanted = (
            select(AccountRow.id, AccountRow.password_hash)
            .join(AccountState, AccountState.id == AccountRow.id)
            .where(AccountRow.id.in_(_rows(account_ids)), AccountState.must_reset.is_(False))
        )
        with self._db.read() as session:
            still_open = session.execute(wanted).all()
        if not still_open:
            return 0
        keep({row.id.hex(): row.password_hash.encode() for row in still_open})
        with self._db.write() as session:
            ids = [row.id for row in still_open]
            return len(self._store.require_reset(session, ids, REASON, self._clock.now()))

    def end_sessions(self, account_ids: Sequence[str]) -> None:
        """End the accounts' sessions: their version counts up, so their links end too."""
        with self._db.write() as session:
            state.end_all(session, _rows(account_ids))

    def _entries(self, session: Session, condition: Any) -> list[Entry]:
        rows = session.execute(
            select(AccountRow.id, AccountRow.profile).where(condition).order_by(AccountRow.id)
        ).all()
        numbers = references.of_accounts(session, self._vault, [row.id for row in rows])
        found = []
        for row in rows:
            with suppress(VaultError):  # a row that was tampered with is nobody's
                profile = profiles.decrypt(self._vault, row.id, row.profile)
                known = tuple(sorted(numbers.get(row.id, set()) | ({profile.account_ref} - {""})))
                found.append(Entry(row.id.hex(), profile.address, profile.name, profile.locale, known))
        return found


def _rows(ids: Sequence[str]) -> list[bytes]:
    """Return the row ids of account ids; whatever is none is left out."""
    found = []
    for one in ids:
        with suppress(ValueError):
            found.append(bytes.fromhex(one))
    return found
