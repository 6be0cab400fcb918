"""Find the account that a proof is about, in the portal's own store or the company's."""

from typing import TypeVar

import click
from sqlalchemy.orm import Session

from portal.accounts.address import service as addresses
from portal.cases.staff import Owner, is_builtin
from portal.core.addresses import AddressInvalid, normalise, sign_in_name
from portal.crypto.vault import VaultError, WorkerVault
from portal.identity import external, state
from portal.identity.account import Account, AccountMissing
from portal.identity.builtin.store import BuiltinStore
from portal.runtime.context import Context
from portal.runtime.parts import Unavailable

One = TypeVar("One")


def find(context: Context, vault: WorkerVault, address: str | None, reference: str, new: str) -> Owner:
    """Return the one account with an address, or else a reference. Raises ClickException.

    `new` is the address that it is to have: in the portal's own store nobody else may have it.
    """
    if not is_builtin(context.settings):
        return _elsewhere(context, vault, address, reference)
    with context.db.read() as session:
        account = _only(_own(session, vault, address, reference))
        try:
            owner = Owner(account, state.owner(session, vault, account.id))
        except (AccountMissing, VaultError) as error:
            message = "The account's row was tampered with. Restore it with: portal accounts import FILE"
            raise click.ClickException(message) from error
        if not addresses.is_free(session, vault, new, account.id, context.clock.now()):
            raise click.ClickException(
                "Another account has the new address, or had it within the last week. Ask for another one."
            )
    return owner


def _own(session: Session, vault: WorkerVault, address: str | None, reference: str) -> list[Account]:
    store = BuiltinStore()
    if address is None:
        return store.find_by_ref(session, vault, reference)
    found = store.find(session, vault, address)
    if found is None:
        return []
    try:
        profile = state.owner(session, vault, found.id)
    except (AccountMissing, VaultError):
        return [found]
    # The web process can write the index, but not the profile.
    return [found] if sign_in_name(profile.address) == sign_in_name(address) else []


def _elsewhere(context: Context, vault: WorkerVault, address: str | None, reference: str) -> Owner:
    """Return the account of the company's store, and keep who has it, as now seen there."""
    settings = context.settings
    try:
        entries = (
            external.entries_at(settings, address) if address else external.entries_with(settings, reference)
        )
    except Unavailable as error:
        message = "The user store cannot be asked now. Nothing was changed; try again later."
        raise click.ClickException(message) from error
    entry = _only(entries)
    try:
        normalise(entry.address)
    except AddressInvalid as error:
        message = "The account has no email address that the portal can read. Mend it in the user store."
        raise click.ClickException(message) from error
    with context.db.write() as session:
        account = state.ensure(session, vault, settings.identity.store, entry)
        return Owner(account, state.owner(session, vault, account.id), entry.id)


def _only(found: list[One]) -> One:
    if not found:
        raise click.ClickException("No account fits. Nothing was changed.")
    if len(found) > 1:
        raise click.ClickException(
            "Several accounts fit. Give the address, or one account's own reference. Nothing was changed."
        )
    return found[0]
