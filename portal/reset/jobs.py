"""The worker's part: answer who asked for a link, and tell people that their password was changed."""

from datetime import datetime

from sqlalchemy.orm import Session

from portal.core import addresses
from portal.core.dates import moment
from portal.core.db import new_id
from portal.core.i18n import best_language
from portal.crypto.vault import WorkerVault
from portal.identity.port import Account, AccountMissing, Profile, Store
from portal.identity.service import store_for
from portal.intake import replies
from portal.intake.jobs import Request
from portal.outbox import service as outbox
from portal.outbox.mail import Mail
from portal.reset import service
from portal.reset.emails import PURPOSE, NoAccount, PasswordChanged, ResetLink
from portal.reset.service import CHANGED
from portal.runtime.parts import WorkerParts


def answer(session: Session, request: Request, now: datetime, parts: WorkerParts) -> None:
    """Mail a link to the account's own address, or say that there is none: the same statements and rows."""
    try:
        typed = addresses.normalise(request.fields.get("email", ""))
    except addresses.AddressInvalid:
        return
    # By the exact address, which is what finds an account: a stranger who asks for its other spellings must
    # not be able to use up the owner's mails.
    owner, reply_id = addresses.sign_in_name(typed), request.reply_id
    if not replies.count_answer(
        session, parts.vault, PURPOSE, owner, now, reply_id=reply_id, lifetime=service.LIFETIME
    ):
        return
    store = store_for(parts.settings)
    account = store.find(session, parts.vault, typed)
    profile = _profile(session, parts.vault, store, account)
    if profile and addresses.sign_in_name(profile.address) != owner:
        profile = None  # the row's index was altered: it leads to somebody else
    mail: Mail = ResetLink() if account and profile else NoAccount()
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


def tell(session: Session, request: Request, now: datetime, parts: WorkerParts) -> None:
    """Tell the owner of an account that its password was changed, in the language it was changed in.

    Once for each version of the account: the web process alone says that there was a change, and whoever
    stole it must not be able to frighten people without end.
    """
    store = store_for(parts.settings)
    try:
        account_id = bytes.fromhex(request.fields.get("account", ""))
        version = int(request.fields.get("version", ""))
        profile = store.profile(session, parts.vault, account_id)
    except (ValueError, AccountMissing):
        return
    account = store.get(session, account_id)
    if account is None or not 1 < version <= account.version:
        return
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


def _profile(session: Session, vault: WorkerVault, store: Store, account: Account | None) -> Profile | None:
    """Return whose account it is; where there is none, look one up all the same and find nothing."""
    try:
        return store.profile(session, vault, account.id if account else new_id())
    except AccountMissing:
        return None


HANDLERS = {PURPOSE: answer, CHANGED: tell}
