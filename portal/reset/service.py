"""Open reset links, mail them, and hash and store new passwords."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.accounts import service as accounts
from portal.core.clock import start_of_day
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
from portal.reset.emails import PURPOSE
from portal.reset.models import Requirement
from portal.reset.rejections import CLOSED_PASSWORD, OLD_PASSWORD, PasswordRefused

CHANGED = "password-changed"
FAILED_SIGN_IN = "failed-sign-in"
LIFETIME = timedelta(hours=24)
# The reason stored in the account's row. It names no incident, so that the row does not reveal which list its
# owner is on.
REASON_EXPOSED = "exposed"
REASON_EVERYONE = "everyone"


class Overtaken(Exception):
    """The account changed since it was read; nothing was stored."""


@dataclass(frozen=True, repr=False)
class Link:
    """A valid link: its reply, its account, and the person's own words for the blocklist.

    `browser` is the hash of the requesting browser's secret.
    """

    reply_id: bytes
    browser: bytes
    account: Account
    address: str
    own_words: tuple[str, ...]


def open_link(session: Session, vault: WebVault, store: Store, token: str | None, now: datetime) -> Link:
    """Open a link without spending it. Raises LinkInvalid, also when the account has changed since."""
    opened = intake.open_reply(session, PURPOSE, token, now)
    account_id = opened.data["account"]
    account = store.get(session, vault, bytes.fromhex(account_id)) if account_id else None
    if account is None or account.version != opened.data["version"]:
        raise LinkInvalid
    return Link(opened.id, opened.browser, account, opened.data["address"], tuple(opened.data["words"]))


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
    """Queue a mail, prepare the reply for its link under the same row id, and return the number queued.

    Returns 0 and does nothing when a mail with this `unique` key was queued before.
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
    """Return the content of a link's reply, which is encrypted under the link's token."""
    return {
        "account": account.id.hex() if account else None,
        "version": account.version if account else 0,
        "address": profile.address,
        "words": [profile.address, profile.name],
    }


def hash_new(hasher: Hasher, account: Account, composed: str) -> str:
    """Return the hash of a new password that passed `passwords.check`.

    Call it outside any transaction: it hashes three times. Raises PasswordRefused when it is the current or
    the closed password, TooBusy when no hash slot is free.
    """
    with hasher.in_one_slot() as in_slot:
        if account.password_hash and in_slot.verify(account.password_hash, composed):
            raise PasswordRefused(CLOSED_PASSWORD if account.must_reset else OLD_PASSWORD)
        if account.closed_hash and in_slot.verify(account.closed_hash, composed):
            raise PasswordRefused(CLOSED_PASSWORD)
        return in_slot.hash(composed)


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
    """Spend the link and store the password, both or neither.

    Of parallel calls exactly one succeeds; the others raise LinkInvalid.
    """
    intake.spend(session, link.reply_id, now)
    try:
        store_password(
            session, vault, store, link.account, password_hash, language=language, by_mail=True, now=now
        )
    except Overtaken as error:
        raise LinkInvalid from error


def _day_of_choice(session: Session, now: datetime) -> datetime:
    """Return the day of `now`, or the start of the newest required reset if that was later on this day.

    So `require` sees what came first, and the account's row does not say when its owner was here.
    """
    newest = session.scalar(select(func.max(Requirement.started_at)).where(Requirement.started_at <= now))
    return max(newest or start_of_day(now), start_of_day(now))


def store_password(
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
    """Store a password, end every session and have the worker notify the owner; return the changed account.

    The account's version increases, which invalidates all its links. `by_mail` means that a mailed link was
    the proof; it does not sign anyone in. Otherwise the caller must create a new session for the browser.
    Raises Overtaken when the account changed since it was read.
    """
    stored = store.set_password(
        session,
        vault,
        account.id,
        expected_version=account.version,
        password_hash=password_hash,
        now=now,
        by_mail_at=_day_of_choice(session, now) if by_mail else None,
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
        password_changed_at=start_of_day(now),
        reset_required_at=None,
        reset_reason=None,
    )
