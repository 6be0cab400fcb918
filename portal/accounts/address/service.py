"""Change an account's address, and say who must hear of what happens to the account afterwards.

Only the worker can: addresses are under its keys. `asking.py` is the web process's part, `undoing.py` is what
the old address can do about it.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.orm import Session

from portal.accounts import service as sessions
from portal.accounts.activity import service as activity
from portal.accounts.address import before, past
from portal.accounts.address.models import ASKED, CHANGED, CLOSED, UNDONE, AddressChange, PastAddress
from portal.accounts.factors import proofs
from portal.accounts.passkeys import service as passkeys
from portal.core.addresses import sign_in_name
from portal.core.clock import start_of_day
from portal.core.db import new_id
from portal.crypto.vault import Cell, VaultError, WorkerVault
from portal.identity import state
from portal.identity.account import Account, AccountMissing, Profile
from portal.identity.builtin import profiles
from portal.identity.builtin.store import BuiltinStore
from portal.runtime.turns import MOST_ROWS, delete_some

UNDO_FOR = timedelta(days=7)  # from when the mail to the old address leaves
# So long after its end a change can be continued by a mail that left late.
KEPT_AFTER_END = timedelta(days=30)
_SIZES = (2048,)


class AddressTaken(Exception):
    """Another account has this address, or had it within the last week."""


@dataclass(frozen=True, repr=False)
class Content:
    """What the worker keeps of a change: both addresses, and what protected the account before."""

    old: str
    new: str
    had: Mapping[str, str]


@dataclass(frozen=True, repr=False)
class Changed:
    """A change that was made: `profile` is as it is now. Both addresses are to be told (`telling.py`).

    `returned`: the account is back at an address that can undo earlier changes, so the one that it leaves
    can undo nothing.
    """

    change_id: bytes
    account: Account
    profile: Profile
    old: str
    returned: bool = False


@dataclass(frozen=True, repr=False)
class Told:
    """An address that an account had until a few days ago, and the change that it can undo."""

    address: str
    change_id: bytes


def past_addresses(session: Session, vault: WorkerVault, account_id: bytes) -> list[str]:
    """Return the addresses that an account had before its present one, each once, sorted.

    Changes that were undone left none. Rows that were tampered with are skipped and logged.
    """
    return past.of_account(session, vault, account_id)


def told_addresses(session: Session, vault: WorkerVault, account_id: bytes, now: datetime) -> list[Told]:
    """Return the old addresses that must hear what happens to an account, beside its present one.

    Those of the last week, of which each can undo its change. A mail to one never has a link to a new
    password: send it with `telling.tell_former`, which adds the link that undoes. The statements are the same
    for an id that is nobody's.
    """
    rows = _open_changes(session, account_id, now)
    if not rows:
        return []
    try:
        present = state.owner(session, vault, account_id).address
    except (AccountMissing, VaultError):
        present = ""
    told: dict[str, bytes] = {}
    for row in rows:
        try:
            content = content_of(vault, row.id, row.sealed)
        except VaultError:
            continue
        if sign_in_name(content.old) != sign_in_name(present):
            told.setdefault(content.old, row.id)  # of one address's changes, the first undoes most
    return [Told(address, change_id) for address, change_id in told.items()]


def undo_until(session: Session, account_id: bytes, now: datetime) -> datetime | None:
    """Return until when an old address can undo a change of an account's; None where none can."""
    open_ones = (AddressChange.account_id == account_id) & (AddressChange.state == CHANGED)
    return session.scalar(
        select(func.max(AddressChange.ends_at)).where(open_ones, AddressChange.ends_at > now)
    )


def forget(session: Session, account_id: bytes) -> None:
    """Remove the changes and the past addresses of an account that is erased."""
    for table in (AddressChange, PastAddress):
        session.execute(delete(table).where(table.account_id == account_id))


def is_free(session: Session, vault: WorkerVault, address: str, account_id: bytes, now: datetime) -> bool:
    """Return whether an account can take an address: nobody else has it, or had it within the last week."""
    found = BuiltinStore().find(session, vault, address)
    held_for = past.held(session, vault, [address], now).get(sign_in_name(address), account_id)
    return (found is None or found.id == account_id) and held_for == account_id


def ask(session: Session, vault: WorkerVault, account: Account, old: str, new: str, now: datetime) -> bytes:
    """Store that a change was asked for, and return its id; the row says nothing about the new address."""
    change_id = new_id()
    content = Content(old, new, before.take(session, vault, account.id))
    session.execute(
        insert(AddressChange).values(
            id=change_id,
            account_id=account.id,
            account_version=account.version,
            state=ASKED,
            ends_at=end_of(now + UNDO_FOR),
            sealed=_encrypt(vault, change_id, content),
        )
    )
    return change_id


def change(
    session: Session,
    vault: WorkerVault,
    account_id: bytes,
    address: str,
    now: datetime,
    *,
    change_id: bytes | None = None,
    undo: bool = True,
) -> Changed:
    """Give an account of the builtin store a normalised new address; return what to mail.

    The account's version increases, so every mailed link and known device of before is worthless; every
    session ends, since each shows the old address. Passkeys stay, and lead to the new address. The old one
    stays among the past addresses, and nobody else can take it for a week. Writes the event that the owner
    sees. Mail both addresses with `telling.tell_changed` in the same transaction.

    Where an open change leads away from the new address, that address is the owner's more than the old one: a
    thief who moves the account to an address of his and back must not be able to fetch it again later. So
    what came after that change is closed: the old address can undo nothing.

    `change_id` is that of a change that was asked for (`ask`). `undo` is False where the old address must not
    be able to undo it. Raises AddressTaken, AccountMissing, and VaultError where the account was tampered
    with; nothing is stored then.
    """
    locked = state.get_many(session, [account_id], for_update=True).get(account_id)
    if locked is None or locked.store != BuiltinStore.name:
        raise AccountMissing
    owner = state.owner(session, vault, account_id)
    if not is_free(session, vault, address, account_id, now):
        raise AddressTaken
    asked = change_id or ask(session, vault, locked, owner.address, address, now)
    until = end_of(now + UNDO_FOR)
    profile = take_over(session, vault, account_id, address)
    past.add(session, vault, asked, account_id, owner.address, until)
    if undo:
        this = AddressChange.id == asked
        session.execute(update(AddressChange).where(this).values(state=CHANGED, ends_at=until))
    else:
        session.execute(delete(AddressChange).where(AddressChange.id == asked))
    activity.record(session, vault, account_id, activity.Kind.ADDRESS_CHANGED, now)
    returned = undo and _close_after_return(session, vault, account_id, address, now)
    after = state.get(session, account_id)
    if after is None:
        raise AccountMissing
    return Changed(asked, after, profile, owner.address, returned)


def _close_after_return(
    session: Session, vault: WorkerVault, account_id: bytes, address: str, now: datetime
) -> bool:
    """Close every change after the first open one that led away from an address; return whether one did."""
    first = None
    for row in _open_changes(session, account_id, now):
        with suppress(VaultError):
            if sign_in_name(content_of(vault, row.id, row.sealed).old) == sign_in_name(address):
                first = row.account_version
                break
    if first is None:
        return False
    later = (AddressChange.account_id == account_id) & (AddressChange.account_version > first)
    session.execute(update(AddressChange).where(later).values(state=CLOSED))
    return True


def take_over(session: Session, vault: WorkerVault, account_id: bytes, address: str) -> Profile:
    """Store an account's address, and end its sessions and links; return the profile as it is now.

    Raises AccountMissing, VaultError.
    """
    profile = profiles.readdress(session, vault, account_id, address)
    passkeys.readdress(session, vault, account_id, address)
    state.end_all(session, [account_id])
    sessions.end_sessions(session, account_id)
    proofs.end_all(session, account_id)
    return profile


def keep_undoable(session: Session, change_id: bytes, now: datetime) -> None:
    """Let a change be undone for a week from now, as the mail about it leaves."""
    until = end_of(now + UNDO_FOR)
    this = (AddressChange.id == change_id) & (AddressChange.ends_at < until)
    session.execute(update(AddressChange).where(this).values(ends_at=until))
    past.hold(session, change_id, until)


def restoring(session: Session, account_id: bytes) -> bool:
    """Return whether a change of an account was undone, and the worker has not restored the address yet."""
    undone = (AddressChange.account_id == account_id) & (AddressChange.state == UNDONE)
    return session.scalar(select(AddressChange.id).where(undone).limit(1)) is not None


def content_of(vault: WorkerVault, change_id: bytes, sealed: bytes) -> Content:
    """Return what the worker keeps of a change. Raises VaultError where its row was tampered with."""
    return Content(**json.loads(vault.decrypt(_cell(change_id), sealed)))


def purge(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Remove up to `limit` changes that ended a month ago; return how many. One to be restored stays."""
    over = (AddressChange.ends_at <= now - KEPT_AFTER_END) & (AddressChange.state != UNDONE)
    return delete_some(session, AddressChange, over, limit)


def end_of(at: datetime) -> datetime:
    """Return the end of a day: an exact time would lead from somebody's visit to the row."""
    return start_of_day(at) + timedelta(days=1)


def _open_changes(session: Session, account_id: bytes, now: datetime) -> Sequence[Row[bytes, int, bytes]]:
    """Return the changes of an account that can be undone, the first one first."""
    return session.execute(
        select(AddressChange.id, AddressChange.account_version, AddressChange.sealed)
        .where(
            AddressChange.account_id == account_id,
            AddressChange.state == CHANGED,
            AddressChange.ends_at > now,
        )
        .order_by(AddressChange.account_version)
    ).all()


def _encrypt(vault: WorkerVault, change_id: bytes, content: Content) -> bytes:
    packed = json.dumps(vars(content), separators=(",", ":"), ensure_ascii=False).encode()
    return vault.encrypt(_cell(change_id), packed, _SIZES)


def _cell(change_id: bytes) -> Cell:
    return Cell("address_changes", "sealed", change_id)
