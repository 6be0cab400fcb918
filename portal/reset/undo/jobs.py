"""The worker's part of an undo: restore the address, and mail the link to a new password there."""

import logging
from datetime import datetime

from sqlalchemy.orm import Session

from portal.accounts.address import undoing
from portal.accounts.address.emails import UNDO
from portal.core.db import new_id
from portal.crypto.vault import VaultError
from portal.identity import state
from portal.identity.account import AccountMissing
from portal.intake import replies
from portal.intake.jobs import Handler, Request
from portal.intake.service import LinkInvalid
from portal.outbox import service as outbox
from portal.reset.emails import PURPOSE as RESET
from portal.reset.jobs import before_required
from portal.reset.service import RENEWABLE_FOR, renewable
from portal.reset.undo.emails import AddressRestored, AddressUnused
from portal.reset.undo.service import require_new
from portal.runtime.parts import BeforeHandover, Outcome, WorkerParts

log = logging.getLogger("portal.reset")


def restore(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Restore the address of before a change, once, and mail a link to a new password there.

    Which change it is says the part of the link's reply that only the worker writes.
    """
    try:
        _id, private = replies.private(session, parts.vault, UNDO, request.fields.get("token", ""))
        account_id, change_id = bytes.fromhex(private["account"]), bytes.fromhex(private["change"])
    except (LinkInvalid, VaultError, KeyError):
        log.warning("reset: an undo of an address is dropped, unknown token or altered row")
        return Outcome.ANSWERED
    try:
        restored = undoing.restore(session, parts.vault, account_id, change_id)
    except (AccountMissing, VaultError):
        log.error(
            "reset: account %s undid a change of its address and is locked, but does not decrypt: not "
            "restored. Restore it with: portal accounts import FILE. Its owner can then ask at /reset/",
            account_id.hex(),
        )
        return Outcome.ANSWERED
    if restored is None:
        return Outcome.ANSWERED
    require_new(session, account_id, now)  # also where a new password was chosen since the lock
    account = state.get(session, account_id)
    if account is None:
        return Outcome.ANSWERED
    language, row_id = request.fields.get("language") or restored.profile.language, new_id()
    outbox.enqueue(
        session,
        parts.vault,
        AddressRestored(),
        address=restored.profile.address,
        locale=language,
        now=now,
        row_id=row_id,
    )
    content = {row_id: renewable(account, restored.profile)}
    replies.prepare_many(session, parts.vault, RESET, content, now=now, lifetime=RENEWABLE_FOR)
    if restored.former:
        outbox.enqueue(
            session, parts.vault, AddressUnused(), address=restored.former, locale=language, now=now
        )
    return Outcome.ANSWERED


HANDLERS: dict[str, Handler] = {UNDO: restore}
BEFORE_HANDOVER: dict[str, BeforeHandover] = {AddressRestored.name: before_required}
