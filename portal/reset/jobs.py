"""Worker handlers: answer a requested reset, renew a required one's link, report a changed password."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from portal.accounts.activity import not_me
from portal.accounts.activity.service import Kind
from portal.accounts.address import past, telling
from portal.accounts.address import service as address
from portal.accounts.address.emails import RESET_ASKED
from portal.core import addresses
from portal.core.dates import moment
from portal.core.db import new_id
from portal.core.i18n import best_language
from portal.crypto.vault import VaultError
from portal.identity import external, registry, state
from portal.identity.account import Account, AccountMissing, Profile
from portal.identity.builtin.store import BuiltinStore
from portal.identity.ports import Entry
from portal.identity.service import is_external
from portal.intake import replies
from portal.intake.jobs import Handler, Lookup, Request
from portal.intake.service import LinkInvalid
from portal.outbox import service as outbox
from portal.outbox.mail import Mail
from portal.reset import service
from portal.reset.emails import (
    PURPOSE,
    LinkNotPrepared,
    NoAccount,
    PasswordChanged,
    ResetLink,
    ResetRequired,
)
from portal.reset.service import CHANGED, FAILED_SIGN_IN, RENEWAL
from portal.runtime.parts import BeforeHandover, Handover, LeavingMail, Outcome, Unanswered, WorkerParts

log = logging.getLogger("portal.reset")

AGAIN = timedelta(hours=1)
# How often the company's store is asked for an account that it answers wrongly about: for less than a minute.
_TRIES = 3
_TOLD: dict[str, datetime] = {}  # when it was said that mails wait, by the store in use


@dataclass(frozen=True, repr=False)
class _Found:
    """Whose an address is. `profile` is None where the account cannot be told, or was tampered with."""

    exists: bool = False
    account: Account | None = None
    profile: Profile | None = None
    store_id: str = ""


def answer(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Mail a link to the account's stored address, or why there is none, with the same statements.

    A row that was tampered with gets no link, but a mail like the others: an attacker who damages a row
    and then asks for one address after the other must not see whose it was.
    `identity.jobs.inspect` tells the operator.
    """
    try:
        typed = addresses.normalise(request.fields.get("email", ""))
    except addresses.AddressInvalid:
        return Outcome.ANSWERED
    owner, reply_id = addresses.sign_in_name(typed), request.reply_id
    if not replies.count_answer(
        session, parts.vault, PURPOSE, typed, now, reply_id=reply_id, lifetime=service.LIFETIME
    ):
        return Outcome.ANSWERED
    found = (
        _find(session, request, parts, owner) if is_external(parts.settings) else _own(session, parts, typed)
    )
    profile = found.profile
    if profile and addresses.sign_in_name(profile.address) != owner:
        profile = None  # the row's index was tampered with: it leads to someone else
    asked_for = found.account.id if found.account else new_id()
    if address.restoring(session, asked_for):
        profile = None  # its address is still a thief's, until the undo is done
    mail: Mail = NoAccount()
    if found.exists:
        mail = ResetLink() if profile else LinkNotPrepared()
    service.mail_link(
        session,
        parts.vault,
        mail,
        account=found.account if profile else None,
        profile=profile or Profile(typed),
        locale=request.fields.get("language", ""),
        row_id=reply_id,
        code=request.code,
        now=now,
        store_id=found.store_id,
    )
    # Who lost the mail about a change of the address, to a thief at that inbox, gets its undo link again so.
    formerly = past.accounts_with(session, parts.vault, [typed]).get(owner, [])
    for about in formerly if formerly and not found.exists else [asked_for]:
        telling.tell_former(
            session,
            parts,
            about,
            RESET_ASKED,
            at=request.asked_at,
            now=now,
            language=request.fields.get("language", ""),
            unique=reply_id.hex(),
        )
    return Outcome.ANSWERED


def answer_failed_sign_in(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Answer like a requested reset where this failure closed sign-in to strangers; drop it otherwise."""
    if "closes" not in request.fields:
        return Outcome.ANSWERED
    return answer(session, request, now, parts)


def answer_renewal(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Answer the button of an ended link like a request for the address that the link was mailed to.

    The web process sends only a token; the worker wrote the address.
    """
    renewed = _renewed(session, request, parts)
    if renewed is None:
        log.warning("reset: renewal dropped, unknown token or altered row")
        return Outcome.ANSWERED
    return answer(session, renewed, now, parts)


def _renewed(session: Session, request: Request, parts: WorkerParts) -> Request | None:
    """Return the request for a renewal with the address that the ended link was mailed to, or None."""
    try:
        _id, private = replies.private(session, parts.vault, PURPOSE, request.fields.get("token", ""))
        return replace(request, fields=request.fields | {"email": private["to"]})
    except (LinkInvalid, VaultError, KeyError):
        return None


def before_required(session: Session, mail: LeavingMail, now: datetime, parts: WorkerParts) -> Handover:
    """Give the mail about a required reset a living link, however long it waited."""
    store = parts.settings.identity.store
    handover = service.renew_link(session, parts.vault, store, mail, now)
    if handover is Handover.LATER and _TOLD.get(store, now - AGAIN) <= now - AGAIN:
        _TOLD[store] = now
        log.warning(
            "reset: mails about a required reset wait, because their accounts are of another store than '%s' "
            "(PORTAL_IDENTITY_STORE); they are tried again every hour, and leave once theirs is set again",
            store,
        )
    return handover


def notify_owner(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Mail an account's owner that the password was changed, in the language it was changed in.

    At most once per account version: only the web process reports the change, and a thief who controls it
    must not be able to send people any number of alarming mails.
    """
    try:
        account_id = bytes.fromhex(request.fields.get("account", ""))
        version = int(request.fields.get("version", ""))
        profile = state.owner(session, parts.vault, account_id)
    except (ValueError, AccountMissing, VaultError):
        return Outcome.ANSWERED
    account = state.of_store(session, account_id, parts.settings.identity.store)
    if account is None or not 1 < version <= account.version:
        return Outcome.ANSWERED
    language = best_language(
        request.fields.get("language") or profile.language, parts.settings.site.languages
    )
    can = registry.capabilities(parts.settings)
    mail = PasswordChanged(
        moment(request.asked_at, language, parts.settings.site.timezone),
        stays_signed_in=request.fields.get("stays") == "1",
        # A company's server may fail to end sessions after this was written.
        signs_out=can.change_ends_sessions or (can.end_sessions and not is_external(parts.settings)),
        tries_elsewhere=can.end_sessions,
    )
    unique = service.changed_key(parts.vault, account_id, version)
    row_id = outbox.enqueue(
        session, parts.vault, mail, address=profile.address, locale=language, now=now, unique=unique
    )
    if row_id is not None:
        kind = Kind.CHANGED_PASSWORD if mail.stays_signed_in else Kind.CHOSE_PASSWORD
        not_me.prepare(session, parts.vault, row_id, account_id, kind, request.asked_at, now)
        telling.tell_former(
            session,
            parts,
            account_id,
            kind.value,
            at=request.asked_at,
            now=now,
            language=language,
            unique=str(version),
        )
    return Outcome.ANSWERED


def look_up(request: Request, parts: WorkerParts) -> Sequence[Entry | None]:
    """Find who signs in with the address of a request, in a store of the company's.

    None stands for an account about which the store answers wrongly, while it answers about others. Asking
    for a day would not mend it, and its owner would wait as long.
    """
    if not is_external(parts.settings):
        return ()
    try:
        typed = addresses.normalise(request.fields.get("email", ""))
    except addresses.AddressInvalid:
        return ()
    try:
        return external.entries_at(parts.settings, typed)
    except Unanswered:
        if request.attempt < _TRIES or not external.fails_at_one(parts.settings):
            raise
        log.error(
            "reset: the store fails at one account and answers about others. Its owner asked for a link and "
            "is told by mail to write to you. Mend that account, whose fault is said above; then they can "
            "ask again"
        )
        return (None,)


def look_up_failed_sign_in(request: Request, parts: WorkerParts) -> Sequence[Entry | None]:
    """Find who signs in with an address where `answer_failed_sign_in` answers."""
    return look_up(request, parts) if "closes" in request.fields else ()


def look_up_renewal(request: Request, parts: WorkerParts) -> Sequence[Entry | None]:
    """Find who signs in with the address that an ended link was mailed to."""
    with parts.db.read() as session:
        renewed = _renewed(session, request, parts)
    return look_up(renewed, parts) if renewed else ()


def _own(session: Session, parts: WorkerParts, address: str) -> _Found:
    """Return the builtin store's account; without one, run the same query for a random id."""
    account = BuiltinStore().find(session, parts.vault, address)
    try:
        profile = state.owner(session, parts.vault, account.id if account else new_id())
    except (AccountMissing, VaultError):
        profile = None
    return _Found(account is not None, account, profile)


def _find(session: Session, request: Request, parts: WorkerParts, owner: str) -> _Found:
    """Return the account that `look_up` found; of several at one address none is guessed."""
    store = parts.settings.identity.store
    found: Sequence[Entry | None] = request.found
    entries = [one for one in found if one is None or addresses.sign_in_name(one.address) == owner]
    entry = entries[0] if len(entries) == 1 else None
    account_id = state.account_id(parts.vault, store, entry.id) if entry else new_id()
    account = state.of_store(session, account_id, store)
    if entry is None:
        return _Found(exists=bool(entries))
    return _Found(True, account, Profile(entry.address, entry.name, "", entry.locale), entry.id)


HANDLERS: dict[str, Handler] = {
    PURPOSE: answer,
    FAILED_SIGN_IN: answer_failed_sign_in,
    RENEWAL: answer_renewal,
    CHANGED: notify_owner,
}
LOOKUPS: dict[str, Lookup] = {
    PURPOSE: look_up,
    FAILED_SIGN_IN: look_up_failed_sign_in,
    RENEWAL: look_up_renewal,
}
BEFORE_HANDOVER: dict[str, BeforeHandover] = {
    PURPOSE: replies.living_from_handover(service.LIFETIME),
    ResetRequired.name: before_required,
    PasswordChanged.name: not_me.before_handover,
}
