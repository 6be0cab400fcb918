"""Find the accounts of many people with one statement each, for jobs with the worker's keys."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from portal.core.db import among
from portal.crypto.vault import VaultError, WorkerVault
from portal.identity.account import Profile
from portal.identity.builtin import profiles, references
from portal.identity.builtin.models import AccountRow
from portal.identity.builtin.store import FORMER_REF_PURPOSE

_COLUMNS: Any = (AccountRow.id, AccountRow.address_index, AccountRow.ref_index, AccountRow.profile)
_OWNED = select(*_COLUMNS)


@dataclass(frozen=True, repr=False)
class Owned:
    """An account and who has it; the profile is None where it does not decrypt."""

    id: bytes
    profile: Profile | None


def by_name(session: Session, vault: WorkerVault, names: Iterable[str]) -> dict[str, Owned]:
    """Return the accounts found by the names that people sign in with (`sign_in_name`), by name.

    The web process can write the index, but not the profile: the caller compares the addresses.
    """
    indexes = {vault.account_index(name): name for name in names}
    which = among(session, AccountRow.address_index, indexes.keys())
    rows = session.execute(_OWNED.where(which)) if indexes else ()
    return {indexes[row.address_index]: _owned(vault, row) for row in rows}


def by_reference(
    session: Session, vault: WorkerVault, numbers: Collection[str], known: Iterable[Owned] = ()
) -> dict[str, list[Owned]]:
    """Return the accounts with these customer numbers of the company, by number, sorted by id.

    Those that are `known` from a look-up in the same session are not read again.
    """
    found: dict[str, dict[bytes, Owned]] = defaultdict(dict)
    if not numbers:
        return {}
    ids = references.accounts_with_any(session, vault, numbers)
    owned = {one.id: one for one in known}
    former = {vault.list_index(FORMER_REF_PURPOSE, number): number for number in numbers}
    unread = {one for each in ids.values() for one in each} - owned.keys()
    by_former = among(session, AccountRow.ref_index, former.keys())
    for row in session.execute(_OWNED.where(among(session, AccountRow.id, unread) | by_former)):
        one = owned[row.id] = owned.get(row.id) or _owned(vault, row)
        number = former.get(row.ref_index)
        # The web process can write the index, but not the profile.
        if number is not None and one.profile is not None and one.profile.account_ref == number:
            found[number][one.id] = one
    for number, accounts in ids.items():
        found[number] |= {one: owned[one] for one in accounts if one in owned}
    return {number: [accounts[one] for one in sorted(accounts)] for number, accounts in found.items()}


def by_id(session: Session, vault: WorkerVault, ids: Collection[bytes]) -> dict[bytes, Owned]:
    """Return the accounts with these ids, by id."""
    rows = session.execute(_OWNED.where(among(session, AccountRow.id, ids))) if ids else ()
    return {row.id: _owned(vault, row) for row in rows}


def page(session: Session, vault: WorkerVault, after: bytes, limit: int) -> list[Owned]:
    """Return up to `limit` accounts with ids greater than `after`, ascending."""
    rows = session.execute(_OWNED.where(AccountRow.id > after).order_by(AccountRow.id).limit(limit))
    return [_owned(vault, row) for row in rows]


def _owned(vault: WorkerVault, row: Row[Any]) -> Owned:
    try:
        return Owned(row.id, profiles.decrypt(vault, row.id, row.profile))
    except VaultError:
        return Owned(row.id, None)
