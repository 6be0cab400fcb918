"""Add and update accounts of the builtin store from the company's file, or say what that would do."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from portal.core.db import new_id
from portal.crypto.formats import registry
from portal.crypto.hashing import is_unset
from portal.crypto.vault import VaultError, WorkerVault
from portal.identity.account import Profile
from portal.identity.builtin import costs, hashes, profiles, references
from portal.identity.builtin.hashes import FINGERPRINT
from portal.identity.builtin.models import STORE, AccountRow
from portal.identity.models import AccountState

log = logging.getLogger("portal.identity")

_ACCOUNTS: Any = AccountRow.__table__
_STATES: Any = AccountState.__table__


@dataclass(frozen=True, repr=False)
class NewAccount:
    """An account to import: a profile with a normalised address, its hash, and customer numbers.

    A hash of `unset_hash` means that the owner must choose a password by mail.
    """

    profile: Profile
    password_hash: str
    references: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Stored:
    """How many accounts of a batch were added, changed and left unchanged.

    Of all of them, `must_choose` have no password afterwards. Of those that were there, `chosen_since` counts
    owners who have chosen a password here.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    must_choose: int = 0
    chosen_since: int = 0

    def __add__(self, other: "Stored") -> "Stored":
        """Return the counts of both."""
        return Stored(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, repr=False)
class _Difference:
    """What an account in the file is beside the stored one, `row`; `profile` is to be stored.

    `former` is the only reference, where an earlier version stored it in the profile.
    """

    index: bytes
    account: NewAccount
    row: AccountRow | None
    profile: Profile
    present: Profile | None = None
    gained: frozenset[str] = frozenset()
    former: frozenset[str] = frozenset()
    takes_password: bool = False
    unset: bool = False
    state: AccountState | None = None

    @property
    def rewrites(self) -> bool:
        """Return whether the stored profile is to be written again."""
        return self.present != self.profile

    @property
    def counts(self) -> Stored:
        """Return the counts of this account alone."""
        if self.row is None:
            return Stored(added=1, must_choose=int(self.unset))
        # A former reference moves out of the profile: nothing that anyone sees changes.
        same = self.present is not None and replace(self.present, account_ref="") == self.profile
        changed = not same or bool(self.gained) or self.takes_password
        return Stored(
            changed=int(changed),
            unchanged=int(not changed),
            must_choose=int(self.unset),
            chosen_since=int(self.state is not None and self.state.password_changed_at is not None),
        )


def compare(session: Session, vault: WorkerVault, accounts: Iterable[NewAccount]) -> Stored:
    """Return what `add` would return, without storing anything."""
    return sum((one.counts for one in _differences(session, vault, accounts)), Stored())


def add(session: Session, vault: WorkerVault, accounts: Iterable[NewAccount], now: datetime) -> Stored:
    """Add or update accounts with distinct addresses.

    Existing accounts keep their password: a file that is imported again may be older than what people have
    chosen since. Only one that never had a password gets that of the file. Name and the company's locale are
    updated, and references added: an account keeps those that another file gave it. A profile that does not
    decrypt is rewritten from the file: the company decides whose account it is, and one bad row must not
    block the others.
    """
    counts = Stored()
    new: list[dict[str, Any]] = []
    states: list[dict[str, Any]] = []
    owned: dict[bytes, frozenset[str]] = {}
    brought: list[str] = []
    passwords: list[tuple[AccountRow, AccountState | None, str]] = []
    for one in _differences(session, vault, accounts):
        counts += one.counts
        if one.row is None:
            new.append(_new_row(vault, one.index, one.account, now))
            states.append(_new_state(vault, new[-1]["id"], one.account))
            owned[new[-1]["id"]] = one.account.references
            brought.append(one.account.password_hash)
            continue
        if one.rewrites:
            one.row.profile = profiles.encrypt(vault, one.row.id, one.profile)
            one.row.ref_index = new_id()
        owned[one.row.id] = one.gained | one.former
        if one.state is None:
            states.append(_new_state(vault, one.row.id, one.account))
        if one.takes_password:
            passwords.append((one.row, one.state, one.account.password_hash))
    session.flush()
    # From the tables rather than the classes: a row object each would cost more than encrypting it.
    if new:
        session.connection().execute(insert(_ACCOUNTS), new)
    if states:
        session.connection().execute(insert(_STATES), sorted(states, key=itemgetter("id")))
    given = [one for one in passwords if _store_password(session, vault, *one)]
    references.add(session, vault, owned)
    costs.came(
        session,
        [*brought, *(password_hash for _, _, password_hash in given)],
        instead_of=[hashes.decrypt(vault, row.id, row.password_hash, None) for row, _, _ in given],
    )
    return counts


def without_password(session: Session, vault: WorkerVault, accounts: Iterable[NewAccount]) -> set[bytes]:
    """Return the indexes of the accounts that `add` would give the password of the file."""
    return {
        one.index
        for one in _differences(session, vault, accounts)
        if one.takes_password or (one.row is None and not one.unset)
    }


def _differences(
    session: Session, vault: WorkerVault, accounts: Iterable[NewAccount]
) -> Iterator[_Difference]:
    """Yield what becomes of each account, in the order of their indexes."""
    batch = {vault.account_index(account.profile.address): account for account in accounts}
    rows = {
        row.address_index: row
        for row in session.scalars(select(AccountRow).where(AccountRow.address_index.in_(list(batch))))
    }
    ids = [row.id for row in rows.values()]
    states = {
        state.id: state for state in session.scalars(select(AccountState).where(AccountState.id.in_(ids)))
    }
    known = references.of_accounts(session, vault, ids)
    fingerprint = session.scalar(select(FINGERPRINT)) if rows else None
    for index in sorted(batch):
        account, row = batch[index], rows.get(index)
        unset = is_unset(account.password_hash)
        if row is None:
            yield _Difference(index, account, None, account.profile, unset=unset)
            continue
        present = _decrypt_or_none(vault, row)
        former = frozenset({present.account_ref} - {""}) if present else frozenset()
        empty = is_unset(hashes.decrypt(vault, row.id, row.password_hash, fingerprint))
        yield _Difference(
            index,
            account,
            row,
            replace(account.profile, chosen=present.chosen if present else ""),
            present,
            gained=account.references - former - known.get(row.id, set()),
            former=former,
            takes_password=empty and not unset,
            unset=empty and unset,
            state=states.get(row.id),
        )


def _store_password(
    session: Session, vault: WorkerVault, row: AccountRow, known: AccountState | None, password_hash: str
) -> bool:
    """Give an account that never had a password that of the file; False where its owner was faster."""
    stored = hashes.encrypt(vault, row.id, password_hash)
    given = session.execute(
        update(_ACCOUNTS)
        .where(AccountRow.id == row.id, AccountRow.password_hash == row.password_hash)
        .values(password_hash=stored)
        .returning(AccountRow.id)
    ).all()
    if given and known is not None and known.must_reset:  # it is the file's password that was closed
        session.execute(update(_STATES).where(AccountState.id == row.id).values(closed=stored))
    return bool(given)


def _new_row(vault: WorkerVault, index: bytes, account: NewAccount, now: datetime) -> dict[str, Any]:
    row_id = new_id()
    return {
        "id": row_id,
        "address_index": index,
        "ref_index": new_id(),
        "profile": profiles.encrypt(vault, row_id, account.profile),
        "password_hash": hashes.encrypt(vault, row_id, account.password_hash),
        "created_at": now,
    }


def _new_state(vault: WorkerVault, row_id: bytes, account: NewAccount) -> dict[str, Any]:
    none = registry.dummy(registry.cost_class(account.password_hash))
    return {
        "id": row_id,
        "store": STORE,
        "version": 1,
        "must_reset": False,
        "closed": hashes.encrypt(vault, row_id, none),
    }


def _decrypt_or_none(vault: WorkerVault, row: AccountRow) -> Profile | None:
    try:
        return profiles.decrypt(vault, row.id, row.profile)
    except VaultError:
        log.error("identity: profile of account %s does not decrypt; the import rewrites it", row.id.hex())
        return None
