"""Find the account of an address: must its owner choose a new password, and until when do links work."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from portal.accounts import lockout
from portal.accounts.address import past
from portal.accounts.models import FailureCount
from portal.core.addresses import sign_in_name
from portal.crypto.vault import VaultError, WorkerVault
from portal.identity import state
from portal.identity.account import Account, AccountMissing
from portal.identity.builtin import passwords
from portal.identity.builtin.models import STORE as BUILTIN
from portal.identity.builtin.passwords import Password
from portal.identity.builtin.store import BuiltinStore
from portal.identity.ports import Entry
from portal.rotation import service as rotation


@dataclass(frozen=True, repr=False)
class AccountFound:
    """The account of an address. `intact` is False where its row was tampered with.

    `unset`: the company gave no usable password, and the owner has chosen none since.
    `restricted`: so many wrong passwords were typed that unknown browsers cannot sign in. `reminders` is an
    interval in months, or `off`. `formerly`: its owner has changed the address that was looked for.
    """

    id: bytes
    version: int
    intact: bool
    must_reset: bool
    unset: bool
    reset_required_at: datetime | None
    reset_reason: str | None
    password_changed_at: datetime | None
    restricted: bool
    reminders: str
    formerly: bool = False


def account_at(
    session: Session, vault: WorkerVault, store: str, address: str, entries: Sequence[Entry]
) -> AccountFound | None:
    """Return the account that signs in with an address, or None.

    `entries` are those that a store of the company's has; of several at one address none is shown.
    """
    account = _find(session, vault, store, address, entries)
    formerly = account is None and store == BUILTIN
    if formerly:
        account = _find_by_past(session, vault, address)
    if account is None:
        return None
    if formerly:
        address = _present_address(session, vault, account.id) or address
    counts = lockout.lockout_of(vault, vault.account_index(address), account.version)
    password = passwords.of(session, vault, account.id)
    return AccountFound(
        id=account.id,
        version=account.version,
        intact=store != BUILTIN or (password is not None and _is_intact(session, vault, password, address)),
        must_reset=account.must_reset,
        unset=password is not None and password.unset,
        reset_required_at=account.reset_required_at,
        reset_reason=account.reset_reason,
        password_changed_at=account.password_changed_at,
        restricted=lockout.full(session, vault, counts, FailureCount.strangers),
        reminders=rotation.chosen(session, account.id).interval,
        formerly=formerly,
    )


def _find(
    session: Session, vault: WorkerVault, store: str, address: str, entries: Sequence[Entry]
) -> Account | None:
    if store == BUILTIN:
        return BuiltinStore().find(session, vault, address)
    if len(entries) != 1:
        return None
    return state.of_store(session, state.account_id(vault, store, entries[0].id), store)


def _find_by_past(session: Session, vault: WorkerVault, address: str) -> Account | None:
    """Return the account whose owner had an address before; of several none is guessed."""
    found = past.accounts_with(session, vault, [address]).get(sign_in_name(address), [])
    return state.of_store(session, found[0], BUILTIN) if len(found) == 1 else None


def _present_address(session: Session, vault: WorkerVault, account_id: bytes) -> str | None:
    try:
        return state.owner(session, vault, account_id).address
    except (AccountMissing, VaultError):
        return None


def _is_intact(session: Session, vault: WorkerVault, password: Password, address: str) -> bool:
    try:
        profile = state.owner(session, vault, password.account.id)
    except (AccountMissing, VaultError):
        return False
    return sign_in_name(profile.address) == sign_in_name(address) and bool(password.stored)
