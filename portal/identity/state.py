"""The portal's own table of accounts, the same for every store: what closed, when, and for which version.

A row of an external store's account is made when something changes for it, or its owner signs in: never when
somebody asks for a link, or the rows would tell which addresses have an account.
"""

import json
import logging
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.orm import Session

from portal.core import db
from portal.core.clock import start_of_day
from portal.crypto.vault import Cell, VaultError, WorkerVault
from portal.identity.account import Account, AccountMissing, Profile
from portal.identity.builtin import profiles
from portal.identity.builtin.models import STORE, AccountRow
from portal.identity.models import AccountState
from portal.identity.ports import Entry, StoreFault

log = logging.getLogger("portal.identity")

PURPOSE = "external account"
OWNER_SIZES = (1024,)  # one length for all
CLOSED_SIZES = (1024,)
COLUMNS: tuple[Any, ...] = (
    AccountState.id,
    AccountState.store,
    AccountState.version,
    AccountState.must_reset,
    AccountState.reset_reason,
    AccountState.reset_required_at,
    AccountState.password_changed_at,
    AccountState.chosen_by_mail_at,
)
_OWNERS: Any = select(AccountState.id, AccountState.owner, AccountRow.profile).outerjoin(
    AccountRow, AccountRow.id == AccountState.id
)
_ALL = select(*COLUMNS)
_ALL_LOCKED = _ALL.order_by(AccountState.id).with_for_update()
# Built once, from the table rather than the class: a page or a person waits for each.
_TABLE: Any = AccountState.__table__
_THIS: Any = _TABLE.c.id == bindparam("account")
_ONE = select(*(_TABLE.c[column.key] for column in COLUMNS)).where(_THIS)
_OWNER = _OWNERS.where(AccountState.id == bindparam("account"))
_CLOSED = select(_TABLE.c.closed).where(_THIS)
_NOT_REQUIRED: Any = {"must_reset": False, "reset_reason": None, "reset_required_at": None}
_CHANGED = (
    update(_TABLE)
    .where(_THIS, _TABLE.c.version == bindparam("expected"))
    .values(version=_TABLE.c.version + 1, password_changed_at=bindparam("day"), **_NOT_REQUIRED)
    .returning(_TABLE.c.id)
)
_CHANGED_BY_MAIL = _CHANGED.values(chosen_by_mail_at=bindparam("by_mail"))
_KEEP = update(_TABLE).where(_THIS).values(closed=bindparam("sealed"))


def account_id(vault: WorkerVault, store: str, store_id: str) -> bytes:
    """Return the id of an external store's account: only the worker can compute it, from the store's id."""
    return vault.list_index(PURPOSE, f"{store}\0{store_id}")


def get(session: Session, account: bytes) -> Account | None:
    """Return an account by its id, or None.

    SQLite stores any type. A forged row that cannot be read counts as none: by an error, an attacker who
    damages a row and then tries one address after the other would learn whose it was.
    """
    try:
        row = session.execute(_ONE, {"account": account}).first()
    except (TypeError, ValueError):
        return None
    return account_of(row) if row else None


def of_store(session: Session, account: bytes, store: str) -> Account | None:
    """Return an account of the store in use, or None.

    An external store's account of which nothing is known yet has no row; a row of another store, from before
    the portal was told to use this one, is none of its accounts.
    """
    found = get(session, account)
    if found is None:
        return None if store == STORE else Account(account, store)
    return found if found.store == store else None


def get_many(
    session: Session, accounts: Collection[bytes], *, for_update: bool = False
) -> dict[bytes, Account]:
    """Return the accounts with these ids; those that are unknown, or cannot be read, are missing.

    `for_update` locks them, in the order of their ids: no two that lock many wait for each other in a circle.
    """
    query = _ALL_LOCKED if for_update else _ALL
    try:
        rows = session.execute(query.where(db.among(session, AccountState.id, accounts))).all()
        found = [account_of(row) for row in rows]
    except (TypeError, ValueError):  # one row spoils the result: read them one by one
        found = [get(session, one) for one in accounts]
    return {one.id: one for one in found if one is not None}


def account_of(row: Row[Any]) -> Account | None:
    """Return the account of a row that begins with `COLUMNS`, or None if its version is no number."""
    if not isinstance(row.version, int):
        return None
    return Account(*row[: len(COLUMNS)])


def ensure(session: Session, vault: WorkerVault, store: str, entry: Entry) -> Account:
    """Return the account of an entry in an external store, and keep who has it, as now seen there.

    The language that the person chose here stays.
    """
    row_id = keep_owner(session, vault, store, entry)
    found = get(session, row_id)
    if found is None:
        raise AccountMissing  # its row was tampered with
    return found


def keep_owner(session: Session, vault: WorkerVault, store: str, entry: Entry) -> bytes:
    """Do what `ensure` does, and return the account's id."""
    row_id = account_id(vault, store, entry.id)
    try:
        chosen = owner(session, vault, row_id).chosen
    except (AccountMissing, VaultError):
        chosen = ""
    values = {"id": row_id, "store": store, "owner": _encrypt(vault, row_id, _kept(entry, chosen))}
    session.connection().execute(_keeping(session.get_bind().dialect.name), values)
    return row_id


@cache
def _keeping(dialect: str) -> Any:
    """Return the statement that adds an account or keeps its owner, built once."""
    statement = db.insert_by(dialect, AccountState).values(version=1, must_reset=False)
    return statement.on_conflict_do_update(
        index_elements=[AccountState.id], set_={"owner": statement.excluded.owner}
    )


def ensure_many(
    session: Session, vault: WorkerVault, store: str, entries: Mapping[bytes, Entry]
) -> dict[bytes, Profile]:
    """Keep who has the accounts of these entries, by account, as `ensure` does; return their owners.

    One that does not fit is logged and missing.
    """
    stored = select(AccountState.id, AccountState.owner).where(db.among(session, AccountState.id, entries))
    known = {row.id: row.owner for row in session.execute(stored)}
    rows, profiles_, unfit = [], {}, 0
    for account in sorted(entries):
        chosen = ""
        if known.get(account) is not None:
            with suppress(VaultError):
                chosen = _unpack(vault, account, known[account])["chosen"]
        try:
            kept = _kept(entries[account], chosen)
        except StoreFault:
            unfit += 1
            continue
        rows.append({"id": account, "store": store, "owner": _encrypt(vault, account, kept)})
        profiles_[account] = Profile(kept["address"], kept["name"], "", kept["locale"], chosen)
    if rows:
        session.connection().execute(_keeping(session.get_bind().dialect.name), rows)
    if unfit:
        log.error(
            "identity: %d accounts of the store '%s' have ids and addresses longer than the portal can keep; "
            "they are left alone",
            unfit,
            store,
        )
    return profiles_


def refuse_what_cannot_be_kept(entry: Entry) -> None:
    """Raise StoreFault where `ensure` would: call it before anything is changed in the store."""
    _kept(entry, "")


def owner(session: Session, vault: WorkerVault, account: bytes) -> Profile:
    """Return an account's owner, as last seen in its store. Raises AccountMissing, VaultError."""
    row = session.execute(_OWNER, {"account": account}).first()
    if row is None:
        raise AccountMissing
    return _profile(vault, row)


def entry(session: Session, vault: WorkerVault, account: bytes) -> Entry:
    """Return an external store's account as last seen there. Raises AccountMissing, VaultError."""
    stored = session.scalar(select(AccountState.owner).where(AccountState.id == account))
    if stored is None:
        raise AccountMissing
    kept = _unpack(vault, account, stored)
    return Entry(kept["id"], kept["address"], kept["name"], kept["locale"], tuple(kept["references"]))


def changed(
    session: Session,
    account: bytes,
    *,
    expected_version: int,
    now: datetime,
    by_mail_at: datetime | None = None,
) -> bool:
    """Note a new password: end a required reset, and increase the version by one.

    `by_mail_at` is given where a mailed link was the proof, not an earlier password. No exact time of `now`
    is stored: it would lead from a visit to the account. Returns False, and stores nothing, when the version
    is not `expected_version`: another change came first.
    """
    values = {"account": account, "expected": expected_version, "day": start_of_day(now)}
    proof = {} if by_mail_at is None else {"by_mail": by_mail_at}
    noted = session.execute(_CHANGED_BY_MAIL if proof else _CHANGED, values | proof)
    return len(noted.all()) == 1


def require(
    session: Session,
    accounts: Collection[bytes],
    reason: str,
    now: datetime,
    closed: Mapping[str, Any] | None = None,
) -> list[bytes]:
    """Require a reset of these accounts; return those of which none was required so far.

    `reason` is a short code, the same for the whole cohort; it must not reveal anything about one person.
    `closed` is what a store changes in the same statement.
    """
    rows = session.execute(
        update(AccountState)
        .where(db.among(session, AccountState.id, accounts), AccountState.must_reset.is_(False))
        .values(
            must_reset=True,
            version=AccountState.version + 1,
            reset_reason=reason,
            reset_required_at=now,
            **(closed or {}),
        )
        .returning(AccountState.id)
    )
    return [row.id for row in rows]


def end_all(session: Session, accounts: Collection[bytes], **values: str) -> None:
    """End the sessions and links of these accounts, whose passwords stay, and store `values` with it."""
    session.execute(
        update(AccountState)
        .where(db.among(session, AccountState.id, accounts))
        .values(version=AccountState.version + 1, **values)
    )


def keep_closed(session: Session, vault: WorkerVault, kept: Mapping[bytes, bytes]) -> None:
    """Store what an external store must know later to recognise closed passwords, by account."""
    rows = [
        {
            "account": account,
            "sealed": b64encode(
                vault.encrypt(Cell("account_state", "closed", account), content, CLOSED_SIZES)
            ).decode(),
        }
        for account, content in sorted(kept.items())
    ]
    if rows:
        session.connection().execute(_KEEP, rows)


def closed(session: Session, vault: WorkerVault, account: bytes) -> bytes | None:
    """Return what `keep_closed` stored, or None if nothing was or it does not open."""
    stored = session.scalar(_CLOSED, {"account": account})
    if not stored:
        return None
    try:
        return vault.decrypt(Cell("account_state", "closed", account), b64decode(stored))
    except (VaultError, ValueError, TypeError):
        return None


def choose_language(session: Session, vault: WorkerVault, account: bytes, language: str) -> None:
    """Store the language that the person chose. Raises AccountMissing, VaultError."""
    language = language[: profiles.MAX_LANGUAGE]
    state = session.get(AccountState, account, with_for_update=True)
    row = session.get(AccountRow, account, with_for_update=True)
    if state is not None and state.owner is not None:
        kept = _unpack(vault, account, state.owner)
        if kept["chosen"] != language:
            state.owner = _encrypt(vault, account, kept | {"chosen": language})
    elif row is not None:
        profile = profiles.decrypt(vault, account, row.profile)
        if profile.chosen != language:
            row.profile = profiles.encrypt(vault, account, replace(profile, chosen=language))
    else:
        raise AccountMissing


def chosen_languages(
    session: Session, vault: WorkerVault, after: bytes | None, limit: int
) -> tuple[dict[bytes, str], bytes | None]:
    """Return chosen languages by account index for up to `limit` accounts, and the next `after` or None.

    Callers read all accounts page by page: look-ups by address would reveal whom a list names. Owners that
    were tampered with are skipped and logged.
    """
    query = _OWNERS.order_by(AccountState.id).limit(limit)
    rows = session.execute(query if after is None else query.where(AccountState.id > after)).all()
    chosen, tampered = {}, 0
    for row in rows:
        try:
            profile = _profile(vault, row)
        except VaultError:
            tampered += 1
            continue
        if profile.chosen:
            chosen[vault.account_index(profile.address)] = profile.chosen
    if tampered:
        log.error(
            "identity: the owners of %d accounts do not decrypt, chosen languages unknown; "
            "run 'portal accounts import' again to rewrite them",
            tampered,
        )
    return chosen, rows[-1].id if len(rows) == limit else None


def indexes(
    session: Session, vault: WorkerVault, after: bytes | None, limit: int
) -> tuple[list[bytes], bytes | None]:
    """Return the account indexes (`vault.account_index`) of up to `limit` accounts, and the next `after`."""
    query = (
        select(AccountState.id, AccountState.owner, AccountRow.address_index)
        .outerjoin(AccountRow, AccountRow.id == AccountState.id)
        .order_by(AccountState.id)
        .limit(limit)
    )
    rows = session.execute(query if after is None else query.where(AccountState.id > after)).all()
    found = []
    for row in rows:
        if row.address_index is not None:
            found.append(row.address_index)
        elif row.owner is not None:
            with suppress(VaultError):
                found.append(vault.account_index(_unpack(vault, row.id, row.owner)["address"]))
    return found, rows[-1].id if len(rows) == limit else None


def _profile(vault: WorkerVault, row: Row[Any]) -> Profile:
    if row.owner is not None:
        kept = _unpack(vault, row.id, row.owner)
        return Profile(kept["address"], kept["name"], "", kept["locale"], kept["chosen"])
    if row.profile is None:
        raise AccountMissing
    return profiles.decrypt(vault, row.id, row.profile)


def _kept(entry: Entry, chosen: str) -> dict[str, Any]:
    """Return what is kept of an entry: numbers that do not fit are left out, and a long name is cut."""
    kept = {
        "id": entry.id,
        "address": entry.address,
        "name": entry.name,
        "locale": entry.locale[: profiles.MAX_LANGUAGE],
        "chosen": chosen,
        "references": list(entry.references),
    }
    room = OWNER_SIZES[-1] - 2 - profiles.MAX_LANGUAGE
    while len(_pack(kept)) > room and (kept["references"] or kept["name"]):
        part = "references" if kept["references"] else "name"
        kept[part] = kept[part][:-1]
    if len(_pack(kept)) > room:
        message = "an account's id and address are longer than the portal can keep"
        raise StoreFault(message)
    return kept


def _pack(kept: Mapping[str, Any]) -> bytes:
    return json.dumps(kept, ensure_ascii=False).encode()


def _encrypt(vault: WorkerVault, account: bytes, kept: Mapping[str, Any]) -> bytes:
    return vault.encrypt(_owner_cell(account), _pack(kept), OWNER_SIZES)


def _unpack(vault: WorkerVault, account: bytes, stored: bytes) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(vault.decrypt(_owner_cell(account), stored))
    return kept


def _owner_cell(account: bytes) -> Cell:
    return Cell("account_state", "owner", account)
