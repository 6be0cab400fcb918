"""Encrypt and open the profiles of accounts: only the worker can."""

import json
from dataclasses import replace

from sqlalchemy.orm import Session

from portal.crypto.vault import SIZES, Cell, WorkerVault
from portal.identity.account import AccountMissing, Profile
from portal.identity.builtin.models import AccountRow

MAX_LANGUAGE = 35
# Bytes for what the company provides; the person's chosen language must still fit into the largest size.
MAX_PROFILE = SIZES[-1] - 2 - MAX_LANGUAGE


def pack(profile: Profile) -> bytes:
    """Return the bytes of a profile that are encrypted; at most MAX_PROFILE are allowed."""
    return json.dumps(vars(profile), ensure_ascii=False).encode()


def encrypt(vault: WorkerVault, account_id: bytes, profile: Profile) -> bytes:
    """Return the stored form of an account's profile."""
    return vault.encrypt(_cell(account_id), pack(profile))


def decrypt(vault: WorkerVault, account_id: bytes, blob: bytes) -> Profile:
    """Return the profile of an account. Raises VaultError where it was moved or altered."""
    return Profile(**json.loads(vault.decrypt(_cell(account_id), blob)))


def readdress(session: Session, vault: WorkerVault, account_id: bytes, address: str) -> Profile:
    """Give an account a normalised address that is free, and return its profile as it is now.

    A name that no longer fits beside it is cut. Raises AccountMissing, VaultError.
    """
    row = session.get(AccountRow, account_id, with_for_update=True)
    if row is None:
        raise AccountMissing
    profile = replace(decrypt(vault, account_id, row.profile), address=address)
    while len(pack(profile)) > MAX_PROFILE and profile.name:
        profile = replace(profile, name=profile.name[:-1])
    row.address_index = vault.account_index(address)
    row.profile = encrypt(vault, account_id, profile)
    session.flush()
    return profile


def _cell(account_id: bytes) -> Cell:
    return Cell("identity_accounts", "profile", account_id)
