"""A new password: what a link may change, whether the password is good, and how it is stored."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from portal.accounts import service as accounts
from portal.core.db import new_id
from portal.crypto.hashing import Hasher
from portal.crypto.vault import WebVault, WorkerVault
from portal.identity.port import Account, Profile, Store
from portal.intake import replies
from portal.intake import service as intake
from portal.intake.replies import CodeLock
from portal.intake.service import LinkInvalid
from portal.outbox import service as outbox
from portal.outbox.mail import Mail
from portal.reset import passwords
from portal.reset.emails import PURPOSE
from portal.reset.rejections import CLOSED_PASSWORD, OLD_PASSWORD, PasswordRefused
from portal.web import limits

CHANGED = "password-changed"
REFUSALS = "20 per hour"
LIFETIME = timedelta(hours=24)
# Why a new password was required, as the account's row says it: no incident is named, so that the row does
# not tell which list its owner is on.
REASON_EXPOSED = "exposed"
REASON_EVERYONE = "everyone"


class Overtaken(Exception):
    """Another change of the same account was first; nothing was stored."""


@dataclass(frozen=True, repr=False)
class Link:
    """A link that is alive: the reply it opened, its account, and the words that are that person's own."""

    reply_id: bytes
    account: Account
    address: str
    own_words: tuple[str, ...]


def look(session: Session, store: Store, token: str | None, now: datetime) -> Link:
    """Open a link without using it up. Raises LinkInvalid, also where the account changed since."""
    opened = intake.open_reply(session, PURPOSE, token, now)
    account_id = opened.data["account"]
    account = store.get(session, bytes.fromhex(account_id)) if account_id else None
    if account is None or account.version != opened.data["version"]:
        raise LinkInvalid
    return Link(opened.id, account, opened.data["address"], tuple(opened.data["words"]))


def mail_link(
    session: Session,
    vault: WorkerVault,
    mail: Mail,
    *,
    account: Account | None,
    profile: Profile,
    locale: str,
    now: datetime,
    row_id: bytes | None = None,
    code: CodeLock | None = None,
    unique: bytes | None = None,
    batch: bytes | None = None,
) -> int:
    """Queue a mail, and prepare the reply of its link under the same row id; return how many mails were queued.

    Where a mail with this `unique` key was queued before, there is nothing to do.
    """
    queued = outbox.enqueue(
        session,
        vault,
        mail,
        address=profile.address,
        locale=locale,
        now=now,
        row_id=row_id or new_id(),
        unique=unique,
        batch=batch,
    )
    if queued is None:
        return 0
    replies.prepare(
        session,
        vault,
        PURPOSE,
        queued,
        data=_link_data(account, profile),
        now=now,
        lifetime=LIFETIME,
        code=code,
    )
    return 1


def _link_data(account: Account | None, profile: Profile) -> dict[str, Any]:
    """Return what a link's reply holds, locked under its token: the account, its version, and whose it is."""
    return {
        "account": account.id.hex() if account else None,
        "version": account.version if account else 0,
        "address": profile.address,
        "words": [profile.address, profile.name],
    }


def judge(password: str, *, own_words: tuple[str, ...], organisation: str) -> str:
    """Return the password as it is compared and hashed. Raises PasswordRefused where it is not good enough."""
    rejection = passwords.check(password, own_words=own_words, organisation=organisation)
    if rejection is not None:
        raise PasswordRefused(rejection)
    return passwords.normalise(password)


def wait_of(session: Session, vault: WebVault, what: bytes, now: datetime) -> int:
    """Return in how many seconds the next password may be looked at for one link or one session, or 0.

    Who holds a link could keep every core busy with it, and ask without end whether this was the password
    before.
    """
    return limits.look(session, vault, REFUSALS, "new password", what.hex(), now=now).retry_after


def count_refusal(session: Session, vault: WebVault, what: bytes, now: datetime) -> None:
    """Count a password that was refused and had cost a hash; what was judged for nothing is not counted."""
    limits.hit(session, vault, REFUSALS, "new password", what.hex(), now=now)


def hash_new(hasher: Hasher, account: Account, composed: str) -> str:
    """Return the hash of a new password that was judged, unless it is the one that there is or that was closed.

    Call it outside any transaction: it hashes three times. Raises PasswordRefused with the reason, or TooBusy.
    """
    if hasher.verify(account.password_hash, composed):
        raise PasswordRefused(CLOSED_PASSWORD if account.must_reset else OLD_PASSWORD)
    if hasher.verify(account.closed_hash, composed):
        raise PasswordRefused(CLOSED_PASSWORD)
    return hasher.hash(composed)


def finish(
    session: Session,
    vault: WebVault,
    store: Store,
    link: Link,
    password_hash: str,
    *,
    language: str,
    now: datetime,
) -> None:
    """Use the link up and store the password, both or neither.

    Of any number at once exactly one succeeds; the others get LinkInvalid.
    """
    intake.spend(session, link.reply_id, now)
    try:
        _store(session, vault, store, link.account, password_hash, language=language, by_mail=True, now=now)
    except Overtaken as error:
        raise LinkInvalid from error


def change(
    session: Session,
    vault: WebVault,
    store: Store,
    account: Account,
    password_hash: str,
    *,
    language: str,
    now: datetime,
) -> Account:
    """Store the password for who is signed in, and return the account as it is now; the caller begins a new session.

    The account's version grows, so every link of it is dead. Raises Overtaken where it changed since it was read.
    """
    return _store(session, vault, store, account, password_hash, language=language, by_mail=False, now=now)


def _store(
    session: Session,
    vault: WebVault,
    store: Store,
    account: Account,
    password_hash: str,
    *,
    language: str,
    by_mail: bool,
    now: datetime,
) -> Account:
    """Store the password, end every session, and have the owner told what ended: a mailed link signs nobody in."""
    stored = store.set_password(
        session,
        account.id,
        expected_version=account.version,
        password_hash=password_hash,
        now=now,
        by_mail=by_mail,
    )
    if not stored:
        raise Overtaken
    accounts.end_sessions(session, account.id)
    version = account.version + 1
    fields = {"account": account.id.hex(), "version": str(version), "language": language}
    if not by_mail:
        fields["stays"] = "1"
    intake.submit(session, vault, CHANGED, fields, now)
    return replace(
        account,
        version=version,
        must_reset=False,
        password_hash=password_hash,
        password_changed_at=now,
        chosen_by_mail_at=now if by_mail else account.chosen_by_mail_at,
        reset_required_at=None,
        reset_reason=None,
    )
