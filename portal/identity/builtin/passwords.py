"""Verify and change the passwords of the builtin store. No caller looks into what is passed between these.

Reading and storing happen in the caller's transactions; hashing between the two, outside any.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.orm import Session

from portal.crypto.hashing import Hasher, PasswordTooLong, is_unset, too_long
from portal.crypto.vault import WebVault
from portal.identity import state
from portal.identity.account import Account
from portal.identity.builtin import costs, hashes
from portal.identity.builtin.hashes import FINGERPRINT
from portal.identity.builtin.models import AccountRow
from portal.identity.models import AccountState

_PASSWORDS: Any = (
    select(*state.COLUMNS, AccountRow.password_hash, AccountState.closed, FINGERPRINT.label("fingerprint"))
    .select_from(AccountRow)
    .join(AccountState, AccountState.id == AccountRow.id)
)
# Built once: they run for every sign-in and every new password.
_BY_ID = _PASSWORDS.where(AccountRow.id == bindparam("key"))
_BY_ADDRESS = _PASSWORDS.where(AccountRow.address_index == bindparam("key"))

_HASH = select(AccountRow.password_hash, FINGERPRINT).where(AccountRow.id == bindparam("key"))


class Reused(Exception):
    """The new password is the current one, or the one that a required reset closed: see `closed`."""

    def __init__(self, *, closed: bool) -> None:
        """Store which one it is."""
        super().__init__()
        self.closed = closed


@dataclass(frozen=True, repr=False)
class Password:
    """What an account's password is verified with, as it was read.

    `stored` is empty where it was tampered with. `closed` is the hash of the password closed by the last
    required reset, or one that no password matches.
    """

    account: Account
    stored: str
    closed: str

    @property
    def unset(self) -> bool:
        """Return whether the company gave no usable hash, and the owner has chosen no password since."""
        return is_unset(self.stored)


@dataclass(frozen=True, repr=False)
class NewPassword:
    """A password's hash, to be stored."""

    hashed: str


@dataclass(frozen=True, repr=False)
class Verified:
    """Whether a password fits.

    `outdated`: its hash has another cost than new ones, or was not made from the password in NFC.
    """

    fits: bool
    outdated: bool = False


def at_address(session: Session, vault: WebVault, address: str) -> Password | None:
    """Return the password of the account that signs in with a normalised address, ignoring ASCII case.

    It takes as long where there is none.
    """
    found = _first(session, vault, _BY_ADDRESS, vault.account_index(address))
    if found is None:
        hashes.decrypt_decoy(vault)
    return found


def of(session: Session, vault: WebVault, account_id: bytes) -> Password | None:
    """Return the password of an account, or None."""
    return _first(session, vault, _BY_ID, account_id)


def of_many(session: Session, vault: WebVault, ids: Sequence[bytes]) -> dict[bytes, Password]:
    """Return the passwords of these accounts; those that cannot be read are missing."""
    try:
        rows = session.execute(_PASSWORDS.where(AccountRow.id.in_(ids))).all()
        read = {row.id: _password(vault, row) for row in rows}
    except (TypeError, ValueError):  # one row spoils the result: read them one by one
        read = {account_id: of(session, vault, account_id) for account_id in ids}
    return {account_id: password for account_id, password in read.items() if password}


def verify(hasher: Hasher, password: Password | None, typed: str, dummy: str | None = None) -> Verified:
    """Return whether a typed password fits. Every failure takes the same time.

    `dummy` is verified where there is no account (`BuiltinStore.dummy_hash`). Raises TooBusy.
    """
    try:
        if password is None or not password.stored:
            return Verified(hasher.verify_dummy(typed, dummy))
        match = hasher.verify_typed(password.stored, typed)
    except PasswordTooLong:
        return Verified(fits=False)
    return Verified(match.fits, match.fits and (not match.in_nfc or hasher.needs_rehash(password.stored)))


def hash_again(hasher: Hasher, typed: str) -> NewPassword:
    """Return a password that fits, hashed at today's cost. Raises TooBusy."""
    return NewPassword(hasher.hash(typed))


def hash_new(hasher: Hasher, password: Password, composed: str) -> NewPassword:
    """Return a new password, in NFC, to be stored.

    It hashes three times, five times with accents, because the company's former system may have hashed them
    decomposed. Raises Reused, and TooBusy when no hash slot is free.
    """
    decomposed = unicodedata.normalize("NFD", composed)
    typed = composed if too_long(decomposed) else decomposed
    with hasher.in_one_slot() as in_slot:
        if password.stored and in_slot.verify_typed(password.stored, typed).fits:
            raise Reused(closed=password.account.must_reset)
        if password.closed and in_slot.verify_typed(password.closed, typed).fits:
            raise Reused(closed=True)
        return NewPassword(in_slot.hash(composed))


def store(
    session: Session,
    vault: WebVault,
    account: Account,
    new: NewPassword,
    *,
    now: datetime,
    by_mail_at: datetime | None = None,
) -> bool:
    """Store a new password: see `state.changed`. Return False where the account changed since it was read."""
    if not state.changed(
        session, account.id, expected_version=account.version, now=now, by_mail_at=by_mail_at
    ):
        return False
    _store(session, vault, account.id, new)
    return True


def renew(session: Session, vault: WebVault, read: Password, renewed: NewPassword) -> bool:
    """Replace an unchanged password's hash by one of today's cost; sessions and links stay valid.

    Return False, and store nothing, when the account changed since it was read.
    """
    row = session.execute(_PASSWORDS.where(AccountRow.id == read.account.id).with_for_update()).first()
    if row is None or _password(vault, row) != read:
        return False
    _store(session, vault, read.account.id, renewed)
    return True


def _store(session: Session, vault: WebVault, account_id: bytes, new: NewPassword) -> None:
    former, fingerprint = session.execute(_HASH, {"key": account_id}).one()
    costs.changed(session, hashes.decrypt(vault, account_id, former, fingerprint), new.hashed)
    stored = hashes.encrypt(vault, account_id, new.hashed)
    session.execute(update(AccountRow).where(AccountRow.id == account_id).values(password_hash=stored))


def _first(session: Session, vault: WebVault, statement: Any, key: bytes) -> Password | None:
    """Return the password of a key, or None. A forged row that cannot be read counts as none: `state.get`."""
    try:
        row = session.execute(statement, {"key": key}).first()
    except (TypeError, ValueError):
        return None
    return _password(vault, row) if row else None


def _password(vault: WebVault, row: Row[Any]) -> Password | None:
    account = state.account_of(row)
    if account is None:
        return None
    forms = (row.password_hash, row.closed)
    return Password(account, *(hashes.decrypt(vault, row.id, form, row.fingerprint) for form in forms))
