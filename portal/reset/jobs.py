"""Worker handlers: answer a requested reset, and notify owners that their password was changed."""

from datetime import datetime

from sqlalchemy.orm import Session

from portal.core import addresses
from portal.core.dates import moment
from portal.core.db import new_id
from portal.core.i18n import best_language
from portal.crypto.vault import VaultError, WorkerVault
from portal.identity.port import Account, AccountMissing, Profile, Store
from portal.identity.service import store_for
from portal.intake import replies
from portal.intake.jobs import Handler, Request
from portal.outbox import service as outbox
from portal.outbox.mail import Mail
from portal.reset import service
from portal.reset.emails import PURPOSE, LinkNotPrepared, NoAccount, PasswordChanged, ResetLink
from portal.reset.service import CHANGED, FAILED_SIGN_IN
from portal.runtime.parts import Outcome, WorkerParts


def answer(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Mail a link to the account's stored address, or why there is none, with the same statements.

    A row that was tampered with gets no link, but a mail like the others: whoever damages a row and then asks
    for one address after the other must not see whose it was. `identity.jobs.inspect` tells the operator.
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
    )
    unique = parts.vault.list_index("password changed", f"{account_id.hex()} {version}")
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
    CHANGED: notify_owner,
}
