"""Mail what happens to an account's address, and keep its old address informed for a week.

A mail to an old address has the link that undoes the change, and never one to a new password.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from portal.accounts.address import service
from portal.accounts.address.emails import UNDO, AddressChange, AddressDone, AddressReturned, FormerAddress
from portal.accounts.address.service import UNDO_FOR, Changed
from portal.core.addresses import mask
from portal.core.dates import moment
from portal.core.db import new_id
from portal.core.i18n import best_language
from portal.intake import replies
from portal.outbox import service as outbox
from portal.outbox.mail import Mail
from portal.runtime.parts import Handover, LeavingMail, WorkerParts


def tell_asked(
    session: Session,
    parts: WorkerParts,
    account_id: bytes,
    change_id: bytes,
    *,
    old: str,
    new: str,
    language: str,
    asked_at: datetime,
    now: datetime,
) -> None:
    """Tell an account's present address that somebody wants to change it, with the link that stops it."""
    language = best_language(language, parts.settings.site.languages)
    mail = AddressChange(moment(asked_at, language, parts.settings.site.timezone), mask(new))
    _mail_undo(session, parts, mail, account_id, change_id, old, language, now)


def tell_changed(session: Session, parts: WorkerParts, made: Changed, language: str, now: datetime) -> None:
    """Mail both addresses of a change that was made; the old one gets the link that undoes it, if any can.

    Call it in the transaction of `service.change`, unless that left nothing to undo.
    """
    language = best_language(language or made.profile.language, parts.settings.site.languages)
    new = made.profile.address
    when = moment(now, language, parts.settings.site.timezone)
    done = AddressDone(undoable=not made.returned)
    outbox.enqueue(session, parts.vault, done, address=new, locale=language, now=now)
    if made.returned:
        outbox.enqueue(
            session,
            parts.vault,
            AddressReturned(when, mask(new)),
            address=made.old,
            locale=language,
            now=now,
        )
        return
    mail = AddressChange(when, mask(new), made=True)
    _mail_undo(session, parts, mail, made.account.id, made.change_id, made.old, language, now)


def tell_former(
    session: Session,
    parts: WorkerParts,
    account_id: bytes,
    news: str,
    *,
    at: datetime,
    now: datetime,
    language: str,
    unique: str,
    besides: str = "",
) -> None:
    """Tell every address that an account had until lately what happens there (`emails.NEWS`), once each.

    `unique` names the event. `besides` is an address that hears of it anyway. The statements for an account
    without such addresses are the same as for an id that is nobody's.
    """
    language = best_language(language, parts.settings.site.languages)
    for told in service.told_addresses(session, parts.vault, account_id, now):
        if told.address == besides:
            continue
        mail = FormerAddress(moment(at, language, parts.settings.site.timezone), news)
        key = parts.vault.list_index("former address", f"{account_id.hex()} {news} {unique} {told.address}")
        _mail_undo(session, parts, mail, account_id, told.change_id, told.address, language, now, key)


def before_handover(session: Session, mail: LeavingMail, now: datetime, parts: WorkerParts) -> Handover:
    """Let the link begin to live as its mail leaves, and with that about a change its week to undo it."""
    replies.extend(session, mail.id, now, UNDO_FOR)
    if mail.fields.get("made"):
        _id, private = replies.private(session, parts.vault, UNDO, parts.vault.token(UNDO, mail.id))
        service.keep_undoable(session, bytes.fromhex(private["change"]), now)
    return Handover.SEND


def _mail_undo(
    session: Session,
    parts: WorkerParts,
    mail: Mail,
    account_id: bytes,
    change_id: bytes,
    address: str,
    language: str,
    now: datetime,
    unique: bytes | None = None,
) -> None:
    row_id = new_id()
    queued = outbox.enqueue(
        session,
        parts.vault,
        mail,
        address=address,
        locale=language,
        now=now,
        row_id=row_id,
        unique=unique,
    )
    if queued is None:
        return
    which = {"account": account_id.hex(), "change": change_id.hex()}
    replies.prepare(session, parts.vault, UNDO, row_id, data=which, now=now, lifetime=UNDO_FOR, private=which)
