"""The worker's part: mail a new address and the old one, and change the address once it is confirmed."""

import logging
from datetime import datetime

from sqlalchemy.orm import Session

from portal.accounts import service as sessions
from portal.accounts.activity.service import Kind
from portal.accounts.address import asking, service, telling
from portal.accounts.address.asking import ASK, LIFETIME
from portal.accounts.address.emails import CONFIRM, AddressChange, AddressConfirm, AddressTaken, FormerAddress
from portal.accounts.address.models import ASKED
from portal.accounts.address.models import AddressChange as Row
from portal.accounts.address.service import AddressTaken as Taken
from portal.core.addresses import AddressInvalid, normalise
from portal.crypto.vault import VaultError
from portal.identity import state
from portal.identity.account import Account, AccountMissing
from portal.identity.builtin.models import STORE as BUILTIN
from portal.intake import replies
from portal.intake.jobs import Handler, Request
from portal.intake.service import LinkInvalid
from portal.outbox import service as outbox
from portal.runtime.parts import BeforeHandover, Outcome, WorkerParts
from portal.web import limits

log = logging.getLogger("portal.accounts")

# A thief who controls the web process, or an account, must not mail strangers without end.
ASKS = "3 per day"  # of one account


def answer(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Mail the new address, and tell the present one; the rows are the same where the new one is taken."""
    account = _asking(session, request, now, parts)
    try:
        new = normalise(request.fields.get("email", ""))
        old = state.owner(session, parts.vault, account.id).address if account else ""
    except (AddressInvalid, AccountMissing, VaultError):
        return Outcome.ANSWERED
    if account is None:
        return Outcome.ANSWERED
    turn = limits.hit(session, parts.vault, ASKS, "address asks", account.id.hex(), now=now)
    if not turn.allowed:
        log.warning("accounts: account %s asked for 3 new addresses today, no more", account.id.hex())
        return Outcome.ANSWERED
    language = request.fields.get("language", "")
    if replies.count_answer(
        session, parts.vault, CONFIRM, new, now, reply_id=request.reply_id, lifetime=LIFETIME
    ):
        change_id = service.ask(session, parts.vault, account, old, new, now)
        free = service.is_free(session, parts.vault, new, account.id, now)
        which = {"account": account.id.hex(), "change": change_id.hex()}
        outbox.enqueue(
            session,
            parts.vault,
            AddressConfirm() if free else AddressTaken(),
            address=new,
            locale=language,
            now=now,
            row_id=request.reply_id,
        )
        replies.prepare(
            session,
            parts.vault,
            CONFIRM,
            request.reply_id,
            data=which if free else {},
            now=now,
            lifetime=LIFETIME,
            private=which if free else {},
        )
        telling.tell_asked(
            session,
            parts,
            account.id,
            change_id,
            old=old,
            new=new,
            language=language,
            asked_at=request.asked_at,
            now=now,
        )
        telling.tell_former(
            session,
            parts,
            account.id,
            Kind.ADDRESS_ASKED.value,
            at=request.asked_at,
            now=now,
            language=language,
            unique=change_id.hex(),
        )
    return Outcome.ANSWERED


def confirmed(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Change the address, if the change was neither undone nor overtaken, and tell everyone.

    What is changed says the part of the link's reply that only the worker writes.
    """
    token = request.fields.get("token", "")
    try:
        _id, private = replies.private(session, parts.vault, CONFIRM, token)
        account_id, change_id = bytes.fromhex(private["account"]), bytes.fromhex(private["change"])
    except (LinkInvalid, VaultError, KeyError):
        log.warning("accounts: a confirmed address is dropped, unknown token or altered row")
        return Outcome.ANSWERED
    account = state.get_many(session, [account_id], for_update=True).get(account_id)
    row = session.get(Row, change_id, with_for_update=True)
    if row is None or account is None or row.state != ASKED or row.account_id != account_id:
        return Outcome.ANSWERED
    if account.must_reset or account.version != row.account_version:
        return Outcome.ANSWERED
    language = request.fields.get("language", "")
    try:
        content = service.content_of(parts.vault, change_id, row.sealed)
        before = service.told_addresses(session, parts.vault, account_id, now)
        made = service.change(session, parts.vault, account_id, content.new, now, change_id=change_id)
    except Taken:  # by somebody who was faster
        outbox.enqueue(session, parts.vault, AddressTaken(), address=content.new, locale=language, now=now)
        return Outcome.ANSWERED
    except (AccountMissing, VaultError):
        log.error(
            "accounts: the address of account %s was confirmed, but its row or that of the change does not "
            "decrypt; it stays as it is",
            account_id.hex(),
        )
        return Outcome.ANSWERED
    telling.tell_changed(session, parts, made, language, now)
    if before:  # the address before the last hears of this one too, and can undo both
        telling.tell_former(
            session,
            parts,
            account_id,
            Kind.ADDRESS_CHANGED.value,
            at=now,
            now=now,
            language=language or made.profile.language,
            unique=change_id.hex(),
            besides=made.old,
        )
    return Outcome.ANSWERED


def _asking(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Account | None:
    """Return the account that asks, if the session in which it did still lives."""
    if parts.settings.identity.store != BUILTIN:
        return None
    try:
        account_id = bytes.fromhex(request.fields.get("account", ""))
        session_id = bytes.fromhex(request.fields.get("session", ""))
    except ValueError:
        return None
    account = state.of_store(session, account_id, BUILTIN)
    if account is None or account.must_reset or str(account.version) != request.fields.get("version"):
        return None
    return account if sessions.lives(session, account, session_id, now) else None


HANDLERS: dict[str, Handler] = {ASK: answer, CONFIRM: confirmed}
BEFORE_HANDOVER: dict[str, BeforeHandover] = {
    CONFIRM: replies.living_from_handover(asking.LIFETIME),
    AddressChange.name: telling.before_handover,
    FormerAddress.name: telling.before_handover,
}
