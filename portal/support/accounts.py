"""Find the account of an address: must its owner choose a new password, and until when do links work."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from portal.accounts import lockout
from portal.accounts.models import FailureCount
from portal.core.addresses import sign_in_name
from portal.crypto.vault import VaultError, WorkerVault
from portal.identity.account import AccountMissing
from portal.identity.port import Account, Store
from portal.rotation import service as rotation


@dataclass(frozen=True, repr=False)
class AccountFound:
    """The account of an address. `intact` is False where its row was tampered with.

    `unset`: the company gave no usable password, and the owner has chosen none since.
    `restricted`: so many wrong passwords were typed that unknown browsers cannot sign in. `reminders` is an
    interval in months, or `off`.
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


def account_at(session: Session, vault: WorkerVault, store: Store, address: str) -> AccountFound | None:
    """Return the account that signs in with an address, or None."""
    account = store.find(session, vault, address)
    if account is None:
        return None
    counts = lockout.lockout_of(vault, vault.account_index(address), account.version)
    return AccountFound(
        id=account.id,
        version=account.version,
        intact=_is_intact(session, vault, store, account, address),
        must_reset=account.must_reset,
        unset=account.unset,
        reset_required_at=account.reset_required_at,
        reset_reason=account.reset_reason,
        password_changed_at=account.password_changed_at,
        restricted=lockout.full(session, vault, counts, FailureCount.strangers),
        reminders=rotation.chosen(session, account.id).interval,
    )


def _is_intact(session: Session, vault: WorkerVault, store: Store, account: Account, address: str) -> bool:
    try:
        profile = store.profile(session, vault, account.id)
    except (AccountMissing, VaultError):
        return False
    return sign_in_name(profile.address) == sign_in_name(address) and bool(account.password_hash)
