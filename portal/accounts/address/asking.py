"""The web process's part of a new address: ask for it, open the link that confirms it, and confirm.

It reads no address but the one that was typed: the worker looks up, mails and changes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.activity import service as activity
from portal.accounts.address.emails import CONFIRM
from portal.accounts.address.models import ASKED, CHANGED, CLOSED, AddressChange
from portal.crypto.vault import WebVault
from portal.identity import state
from portal.identity.account import Account
from portal.intake import service as intake
from portal.intake.service import LinkInvalid

ASK = "address-ask"
LIFETIME = timedelta(hours=24)  # of the link to the new address
WAITING, MADE, RETURNED, GONE = "waiting", "made", "returned", "gone"


def submit(
    session: Session,
    vault: WebVault,
    account: Account,
    session_id: bytes,
    address: str,
    *,
    device: str,
    language: str,
    lane: int,
    now: datetime,
) -> None:
    """Have the worker mail a normalised new address, and record that it was asked for.

    The same work whatever was typed.
    """
    activity.record(session, vault, account.id, activity.Kind.ADDRESS_ASKED, now, device=device)
    fields = {
        "account": account.id.hex(),
        "version": str(account.version),
        "session": session_id.hex(),
        "email": address,
        "language": language,
    }
    intake.submit(session, vault, ASK, fields, now, lane=lane)


@dataclass(frozen=True)
class Confirmation:
    """An opened link to the new address."""

    reply_id: bytes
    account_id: bytes
    change_id: bytes


def open_link(
    session: Session, store: str, token: str, now: datetime, *, for_update: bool = False
) -> Confirmation:
    """Open the link to the new address; nothing changes. Raises LinkInvalid, also after the change's undo."""
    opened = intake.open_reply(session, CONFIRM, token, now)
    data = opened.data
    if not data:  # of the mail that says that the address is taken
        raise LinkInvalid
    found = Confirmation(opened.id, bytes.fromhex(data["account"]), bytes.fromhex(data["change"]))
    if for_update:  # an undo comes before it, or after
        state.get_many(session, [found.account_id], for_update=True)
    account = state.of_store(session, found.account_id, store)
    version = session.scalar(
        select(AddressChange.account_version).where(
            AddressChange.id == found.change_id,
            AddressChange.account_id == found.account_id,
            AddressChange.state == ASKED,
        )
    )
    if account is None or account.must_reset or account.version != version:
        raise LinkInvalid
    return found


def confirm(
    session: Session, vault: WebVault, store: str, token: str, language: str, now: datetime
) -> Confirmation:
    """Spend the link, and have the worker change the address. Raises LinkInvalid."""
    found = open_link(session, store, token, now, for_update=True)
    intake.spend(session, found.reply_id, now)
    intake.submit(session, vault, CONFIRM, {"token": token, "language": language}, now)
    return found


def outcome(session: Session, change_id: bytes) -> str:
    """Return what became of a confirmed change: WAITING, MADE, RETURNED (made, and not to be undone) or GONE.

    Who stopped or undid it is not said: the page is open in the browser of somebody who may be a thief.
    """
    state = session.scalar(select(AddressChange.state).where(AddressChange.id == change_id))
    return {ASKED: WAITING, CHANGED: MADE, CLOSED: RETURNED}.get(state or "", GONE)
