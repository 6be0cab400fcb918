"""The company's customer numbers ("references") of accounts: any number of each, readable by the worker only.

A row names its reference and its account by blind indexes under the worker's list index key, so that not even
the number of an account's references can be seen with the keys of the web process. What is encrypted is bound
to both: nobody without the worker's keys can give an account another's reference.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from portal.core import db
from portal.core.db import ID_BYTES
from portal.crypto.vault import Cell, VaultError, WorkerVault
from portal.identity.builtin.models import AccountReference

log = logging.getLogger("portal.identity")

_PURPOSE = "account reference"
_OWNER = "reference owner"
_SIZES = (128, 512)

Place = tuple[bytes, bytes]


def add(session: Session, vault: WorkerVault, owned: Mapping[bytes, Iterable[str]]) -> None:
    """Store references by account id. One that is there already is written again."""
    rows = [
        _row(vault, account_id, reference)
        for account_id, references in owned.items()
        for reference in references
    ]
    if not rows:
        return
    rows.sort(key=lambda row: (row["ref_index"], row["owner_index"]))
    statement = db.insert(session, AccountReference)
    statement = statement.on_conflict_do_update(
        index_elements=[AccountReference.ref_index, AccountReference.owner_index],
        set_={"sealed": statement.excluded.sealed},
    )
    session.connection().execute(statement, rows)


def of_accounts(
    session: Session, vault: WorkerVault, account_ids: Sequence[bytes]
) -> Mapping[bytes, set[str]]:
    """Return the references by account id; altered rows are skipped and logged."""
    owners = [vault.list_index(_OWNER, account_id.hex()) for account_id in account_ids]
    which = db.among(session, AccountReference.owner_index, owners)
    rows = session.execute(_all().where(which)) if owners else ()
    found: dict[bytes, set[str]] = defaultdict(set)
    for account_id, reference in _open_all(vault, rows):
        found[account_id].add(reference)
    return found


def accounts_with(session: Session, vault: WorkerVault, reference: str) -> list[bytes]:
    """Return the ids of the accounts with a reference; altered rows are skipped and logged."""
    index = vault.list_index(_PURPOSE, reference)
    rows = session.execute(_all().where(AccountReference.ref_index == index))
    return sorted(account_id for account_id, _ in _open_all(vault, rows))


def accounts_with_any(
    session: Session, vault: WorkerVault, numbers: Iterable[str]
) -> Mapping[str, set[bytes]]:
    """Return the ids of the accounts by reference; altered rows are skipped and logged."""
    indexes = [vault.list_index(_PURPOSE, number) for number in numbers]
    rows = session.execute(_all().where(db.among(session, AccountReference.ref_index, indexes)))
    found: dict[str, set[bytes]] = defaultdict(set)
    for account_id, number in _open_all(vault, rows):
        found[number].add(account_id)
    return found


def forget(session: Session, vault: WorkerVault, account_id: bytes) -> None:
    """Remove the references of an account."""
    owner = vault.list_index(_OWNER, account_id.hex())
    session.execute(delete(AccountReference).where(AccountReference.owner_index == owner))


def count_altered(
    session: Session, vault: WorkerVault, after: Place | None, limit: int
) -> tuple[int, Place | None]:
    """Return how many of up to `limit` rows were altered, and the next `after` or None."""
    place = (AccountReference.ref_index, AccountReference.owner_index)
    page = _all().order_by(*place).limit(limit)
    if after is not None:
        page = page.where(tuple_(*place) > after)
    rows = session.execute(page).all()
    altered = sum(_open(vault, row) is None for row in rows)
    return altered, (rows[-1].ref_index, rows[-1].owner_index) if len(rows) == limit else None


def _all() -> Any:
    return select(AccountReference.ref_index, AccountReference.owner_index, AccountReference.sealed)


def _row(vault: WorkerVault, account_id: bytes, reference: str) -> dict[str, bytes]:
    ref_index = vault.list_index(_PURPOSE, reference)
    owner_index = vault.list_index(_OWNER, account_id.hex())
    sealed = vault.encrypt(_cell(ref_index, owner_index), account_id + reference.encode(), _SIZES)
    return {"ref_index": ref_index, "owner_index": owner_index, "sealed": sealed}


def _open_all(vault: WorkerVault, rows: Iterable[Any]) -> list[tuple[bytes, str]]:
    opened = [_open(vault, row) for row in rows]
    intact = [one for one in opened if one]
    if len(intact) < len(opened):
        log.error(
            "identity: %d references of accounts do not decrypt, skipped; "
            "run 'portal accounts import' again to rewrite them",
            len(opened) - len(intact),
        )
    return intact


def _open(vault: WorkerVault, row: Any) -> tuple[bytes, str] | None:
    """Return (account id, reference) of a row, or None where it was altered."""
    try:
        plain = vault.decrypt(_cell(row.ref_index, row.owner_index), row.sealed)
    except VaultError:
        return None
    return plain[:ID_BYTES], plain[ID_BYTES:].decode()


def _cell(ref_index: bytes, owner_index: bytes) -> Cell:
    return Cell("identity_references", "sealed", ref_index + owner_index)
