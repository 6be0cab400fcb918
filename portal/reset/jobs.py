"""Worker handlers: answer a requested reset, renew a required one's link, report a changed password."""

import logging
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from portal.core import addresses
from portal.core.dates import moment
from portal.core.db import new_id
from portal.core.i18n import best_language
from portal.crypto.vault import VaultError, WorkerVault
from portal.identity import registry
from portal.identity.account import AccountMissing, Profile
from portal.identity.port import Account, Store
from portal.identity.service import store_for
from portal.intake import replies
from portal.intake.jobs import Handler, Request
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
from portal.runtime.parts import BeforeHandover, Handover, LeavingMail, Outcome, WorkerParts

log = logging.getLogger("portal.reset")


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
    store = store_for(parts.settings)
    account = store.find(session, parts.vault, typed)
    profile = _profile_or_none(session, parts.vault, store, account)
    if profile and addresses.sign_in_name(profile.address) != owner:
        profile = None  # the row's index was tampered with: it leads to someone else
    mail: Mail = NoAccount()
    if account:
        mail = ResetLink() if profile else LinkNotPrepared()
    service.mail_link(
        session,
        parts.vault,
        mail,
        account=account if profile else None,
        profile=profile or Profile(typed),
        locale=request.fields.get("language", ""),
        row_id=reply_id,
        code=request.code,
        now=now,
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
    try:
        _id, private = replies.private(session, parts.vault, PURPOSE, request.fields.get("token", ""))
        fields = request.fields | {"email": private["to"]}
    except (LinkInvalid, VaultError, KeyError):
        log.warning("reset: renewal dropped, unknown token or altered row")
        return Outcome.ANSWERED
    return answer(session, replace(request, fields=fields), now, parts)


def before_required(session: Session, mail: LeavingMail, now: datetime, parts: WorkerParts) -> Handover:
    """Give the mail about a required reset a living link, however long it waited."""
    return service.renew_link(session, parts.vault, store_for(parts.settings), mail, now)


def notify_owner(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Mail an account's owner that the password was changed, in the language it was changed in.

    At most once per account version: only the web process reports the change, and a thief who controls it
    must not be able to send people any number of alarming mails.
    """
    store = store_for(parts.settings)
    try:
        account_id = bytes.fromhex(request.fields.get("account", ""))
        version = int(request.fields.get("version", ""))
        profile = store.profile(session, parts.vault, account_id)
    except (ValueError, AccountMissing, VaultError):
        return Outcome.ANSWERED
    account = store.get(session, parts.vault, account_id)
    if account is None or not 1 < version <= account.version:
        return Outcome.ANSWERED
    language = best_language(
        request.fields.get("language") or profile.language, parts.settings.site.languages
    )
    mail = PasswordChanged(
        moment(request.asked_at, language, parts.settings.site.timezone),
        stays_signed_in=request.fields.get("stays") == "1",
        signs_out=registry.capabilities(parts.settings).signs_out,
    )
    unique = service.changed_key(parts.vault, account_id, version)
    outbox.enqueue(
        session, parts.vault, mail, address=profile.address, locale=language, now=now, unique=unique
    )
    return Outcome.ANSWERED


def _profile_or_none(
    session: Session, vault: WorkerVault, store: Store, account: Account | None
) -> Profile | None:
    """Return the account's profile if it opens; without an account, run the same query for a random id."""
    try:
        return store.profile(session, vault, account.id if account else new_id())
    except (AccountMissing, VaultError):
        return None


HANDLERS: dict[str, Handler] = {
    PURPOSE: answer,
    FAILED_SIGN_IN: answer_failed_sign_in,
    RENEWAL: answer_renewal,
    CHANGED: notify_owner,
}
BEFORE_HANDOVER: dict[str, BeforeHandover] = {
    PURPOSE: replies.living_from_handover(service.LIFETIME),
    ResetRequired.name: before_required,
}
