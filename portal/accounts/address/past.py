"""Addresses that accounts had: they keep matching the lists, and nobody else can take them for a week."""

import json
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.orm import Session

from portal.accounts.address.models import PastAddress
from portal.core import db
from portal.core.addresses import sign_in_name
from portal.crypto.vault import Cell, VaultError, WorkerVault
from portal.identity.builtin import finding

log = logging.getLogger("portal.accounts")

_PURPOSE = "past address"
_SIZES = (512,)
_ALL: Any = select(PastAddress.id, PastAddress.account_id, PastAddress.address_index, PastAddress.sealed)


def add(
    session: Session,
    vault: WorkerVault,
    change_id: bytes,
    account_id: bytes,
    address: str,
    held_until: datetime,
) -> None:
    """Store that an account had an address until this change."""
    content = json.dumps([account_id.hex(), address], ensure_ascii=False).encode()
    session.execute(
        insert(PastAddress).values(
            id=change_id,
            account_id=account_id,
            address_index=_index(vault, address),
            held_until=held_until,
            sealed=vault.encrypt(_cell(change_id), content, _SIZES),
        )
    )


def of_account(session: Session, vault: WorkerVault, account_id: bytes) -> list[str]:
    """Return the addresses that an account had, each once, sorted; altered rows are skipped and logged."""
    rows = session.execute(_ALL.where(PastAddress.account_id == account_id))
    found = [_open(vault, row) for row in rows]
    return sorted({address for owner, address in filter(None, found) if owner == account_id})


def of_others(
    session: Session, vault: WorkerVault, account_id: bytes, addresses: Collection[str]
) -> set[str]:
    """Return which of these addresses are those of other accounts today, with one statement."""
    found = finding.by_name(session, vault, {sign_in_name(address) for address in addresses})
    names = {name for name, owned in found.items() if owned.id != account_id}
    return {address for address in addresses if sign_in_name(address) in names}


def accounts_with(session: Session, vault: WorkerVault, addresses: Iterable[str]) -> dict[str, list[bytes]]:
    """Return the accounts that had these addresses, by sign-in name, sorted: one statement for all.

    Who has the address now is another question: it may be somebody else's account.
    """
    indexes = {_index(vault, address) for address in addresses}
    rows = (
        session.execute(_ALL.where(db.among(session, PastAddress.address_index, indexes))) if indexes else ()
    )
    found: dict[str, set[bytes]] = defaultdict(set)
    for row in rows:
        opened = _open(vault, row)
        # The web process can write the index and the id, but not what is sealed.
        if opened is not None and opened[0] == row.account_id:
            if _index(vault, opened[1]) == row.address_index:
                found[sign_in_name(opened[1])].add(row.account_id)
    return {name: sorted(accounts) for name, accounts in found.items()}


def held(session: Session, vault: WorkerVault, addresses: Collection[str], now: datetime) -> dict[str, bytes]:
    """Return which of these addresses nobody else can take yet, by sign-in name, with whose they were."""
    indexes = {_index(vault, address): sign_in_name(address) for address in addresses}
    query = select(PastAddress.address_index, PastAddress.account_id).where(
        db.among(session, PastAddress.address_index, indexes), PastAddress.held_until > now
    )
    return {indexes[row.address_index]: row.account_id for row in session.execute(query)} if indexes else {}


def hold(session: Session, change_id: bytes, until: datetime) -> None:
    """Let nobody else take the address of a change until then."""
    session.execute(
        update(PastAddress)
        .where(PastAddress.id == change_id, PastAddress.held_until < until)
        .values(held_until=until)
    )


def forget(session: Session, change_ids: Collection[bytes]) -> None:
    """Forget the addresses that these changes ended: they were undone."""
    session.execute(delete(PastAddress).where(db.among(session, PastAddress.id, change_ids)))


def _open(vault: WorkerVault, row: Row[Any]) -> tuple[bytes, str] | None:
    try:
        account, address = json.loads(vault.decrypt(_cell(row.id), row.sealed))
    except VaultError:
        log.error("accounts: past address %s does not decrypt, it is ignored", row.id.hex())
        return None
    return bytes.fromhex(account), address


def _index(vault: WorkerVault, address: str) -> bytes:
    return vault.list_index(_PURPOSE, sign_in_name(address))


def _cell(row_id: bytes) -> Cell:
    return Cell("past_addresses", "sealed", row_id)
