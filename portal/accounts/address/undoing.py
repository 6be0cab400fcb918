"""What the old address can do about a change: stop it, or undo it, whatever happened meanwhile.

The web process marks what is undone at once, with the lock of the account (`portal/reset/undo`); the worker,
which alone can write addresses, restores.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal.accounts.address import before, past, service
from portal.accounts.address.emails import UNDO
from portal.accounts.address.models import ASKED, CHANGED, UNDONE, AddressChange
from portal.core.addresses import sign_in_name
from portal.crypto.vault import WorkerVault
from portal.identity import state
from portal.identity.account import Profile
from portal.intake import service as intake
from portal.intake.service import LinkInvalid

_OPEN = (ASKED, CHANGED)


@dataclass(frozen=True)
class Undo:
    """An opened link to the old address: which change of which account. `made`: it is not only asked for."""

    reply_id: bytes
    account_id: bytes
    change_id: bytes
    account_version: int
    made: bool


@dataclass(frozen=True, repr=False)
class Restored:
    """An address that was restored: the profile as it is now, and the address until now, if it is another."""

    profile: Profile
    former: str | None


def open_link(session: Session, store: str, token: str, now: datetime) -> Undo:
    """Open the link to the old address; nothing changes.

    It does not depend on the account's version: whatever a thief did since, it works. Raises LinkInvalid,
    also where this change, or an earlier one, was undone before, or this one was closed.
    """
    opened = intake.open_reply(session, UNDO, token, now)
    account_id, change_id = bytes.fromhex(opened.data["account"]), bytes.fromhex(opened.data["change"])
    row = session.execute(
        select(AddressChange.account_version, AddressChange.state).where(
            AddressChange.id == change_id,
            AddressChange.account_id == account_id,
            AddressChange.state.in_(_OPEN),
            AddressChange.ends_at > now,
        )
    ).first()
    if row is None or state.of_store(session, account_id, store) is None:
        raise LinkInvalid
    return Undo(opened.id, account_id, change_id, row.account_version, row.state == CHANGED)


def mark(session: Session, undo: Undo) -> None:
    """Mark a change as undone, and all that were asked for or made after it: their links are worthless.

    The account's row must be locked. Raises LinkInvalid where another undo was faster.
    """
    this = (AddressChange.id == undo.change_id) & AddressChange.state.in_(_OPEN)
    if session.execute(update(AddressChange).where(this).values(state=UNDONE)).rowcount != 1:  # type: ignore[attr-defined]
        raise LinkInvalid
    session.execute(
        update(AddressChange).where(_since(undo.account_id, undo.account_version)).values(state=UNDONE)
    )


def restore(session: Session, vault: WorkerVault, account_id: bytes, change_id: bytes) -> Restored | None:
    """Restore the address of before a change, and remove every factor that was added since.

    All changes from this one on are forgotten, with the past addresses that they left; sessions and links
    end. Returns None where it was done before. Raises AccountMissing, VaultError.
    """
    state.get_many(session, [account_id], for_update=True)
    row = session.get(AddressChange, change_id, with_for_update=True)
    if row is None or row.account_id != account_id:
        return None
    content = service.content_of(vault, change_id, row.sealed)
    present = state.owner(session, vault, account_id).address
    since = select(AddressChange.id).where(_since(account_id, row.account_version))
    undone = list(session.scalars(since))
    before.remove_later(session, vault, account_id, content.had)
    profile = service.take_over(session, vault, account_id, content.old)
    past.forget(session, undone)
    session.execute(delete(AddressChange).where(AddressChange.id.in_(undone)))
    same = sign_in_name(present) == sign_in_name(content.old)
    return Restored(profile, None if same else present)


def _since(account_id: bytes, version: int) -> Any:
    return (AddressChange.account_id == account_id) & (AddressChange.account_version >= version)
