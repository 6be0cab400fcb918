"""Open reset links, mail them, and hash and store new passwords."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from portal.accounts import service as accounts
from portal.accounts.activity import service as activity
from portal.accounts.activity.service import Kind
from portal.accounts.factors import service as factors
from portal.core.addresses import sign_in_name
from portal.core.clock import start_of_day
from portal.core.db import Utc, new_id
from portal.crypto.hashing import Hasher
from portal.crypto.vault import WebVault, WorkerVault
from portal.identity import state, unchecked
from portal.identity.account import REPORTED, Account, AccountMissing, Profile
from portal.identity.builtin import passwords as builtin
from portal.identity.builtin.models import STORE as BUILTIN
from portal.identity.builtin.passwords import NewPassword, Password
from portal.identity.builtin.store import BuiltinStore
from portal.intake import replies
from portal.intake import service as intake
from portal.intake.replies import CodeLock
from portal.intake.service import LinkInvalid
from portal.outbox import service as outbox
from portal.outbox.mail import Mail
from portal.reset.emails import PURPOSE
from portal.reset.models import Requirement
from portal.reset.rejections import CLOSED_PASSWORD, OLD_PASSWORD, PasswordRefused
from portal.runtime.parts import Handover, LeavingMail

CHANGED = "password-changed"
FAILED_SIGN_IN = "failed-sign-in"
# The worker's answer to the button on the page of an ended link.
RENEWAL = "reset-renewal"
LIFETIME = timedelta(hours=24)
# So long after its mail left, the link of a required reset still opens something: within LIFETIME the form,
# then a page with a button that mails another link.
RENEWABLE_FOR = timedelta(days=7)
# The reason stored in the account's row. It names no incident, so that the row does not reveal which list its
# owner is on.
REASON_EXPOSED = "exposed"
REASON_EVERYONE = "everyone"
REASON_LISTED = "listed"  # found on a list at sign-in
# Its owner said "this wasn't me": only a mailed link leads to a new password then, no passkey.
REASON_REPORTED = REPORTED
# Built once: it runs for every new password.
_NEWEST_REQUIRED = select(func.max(Requirement.started_at)).where(
    Requirement.started_at <= bindparam("now", type_=Utc())
)


class FactorMissing(LinkInvalid):
    """The account has a second factor, and none was given for this link."""


class Overtaken(Exception):
    """The account changed since it was read; nothing was stored."""


@dataclass(frozen=True, repr=False)
class Link:
    """A valid link: its reply, its account, and the person's own words for the blocklist.

    `browser` is the hash of the requesting browser's secret. `ended`: a required reset's link that is too old
    for a new password, but may be exchanged for another one by mail.
    """

    reply_id: bytes
    browser: bytes
    account: Account
    address: str
    own_words: tuple[str, ...]
    ended: bool = False


def open_link(session: Session, store: str, token: str | None, now: datetime) -> Link:
    """Open a link without spending it. Raises LinkInvalid, also when the account has changed since.

    `store` is the name of the one in use: links to an account of another are invalid.
    """
    opened = intake.open_reply(session, PURPOSE, token, now)
    account_id = opened.data["account"]
    account = state.of_store(session, bytes.fromhex(account_id), store) if account_id else None
    if account is None or account.version != opened.data["version"]:
        raise LinkInvalid
    ended = bool(opened.data.get("renewable")) and now >= form_until(opened.expires_at)
    data = opened.data
    return Link(opened.id, opened.browser, account, data["address"], tuple(data["words"]), ended)


def form_until(expires_at: datetime) -> datetime:
    """Return until when the link of a required reset opens the form; its reply ends at `expires_at`."""
    return expires_at - RENEWABLE_FOR + LIFETIME


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
    store_id: str = "",
) -> None:
    """Queue a mail that somebody asked for, and prepare the reply for its link under the same row id.

    `store_id` is the account's own id in a store of the company's; only the worker can read it.
    """
    row_id = row_id or new_id()
    outbox.enqueue(session, vault, mail, address=profile.address, locale=locale, now=now, row_id=row_id)
    replies.prepare(
        session,
        vault,
        PURPOSE,
        row_id,
        data=_link_data(account, profile),
        now=now,
        lifetime=LIFETIME,
        code=code,
        private=_private_data(account, profile, store_id) if store_id else None,
    )


def _link_data(account: Account | None, profile: Profile) -> dict[str, Any]:
    """Return the content of a link's reply, which is encrypted under the link's token."""
    return {
        "account": account.id.hex() if account else None,
        "version": account.version if account else 0,
        "address": profile.address,
        "words": [profile.address, profile.name],
    }


def _private_data(account: Account | None, profile: Profile, store_id: str) -> dict[str, Any]:
    """Return where another link may be mailed and, in a store of the company's, whose password it is."""
    external = {"id": store_id, "version": account.version if account else 0} if store_id else {}
    return {"to": profile.address, **external}


def renewable(account: Account | None, profile: Profile, store_id: str = "") -> replies.Content:
    """Return the reply of a required reset, which lives for `RENEWABLE_FOR`.

    Its private part says where another link may be mailed.
    """
    data = _link_data(account, profile) | {"renewable": True}
    return data, _private_data(account, profile, store_id)


def renew_link(
    session: Session, vault: WorkerVault, store: str, mail: LeavingMail, now: datetime
) -> Handover:
    """Let the link of a required reset begin to live as its mail leaves; a later copy has a living link too.

    Where the link ended, or the account changed and still needs a new password, it is prepared again under
    the same token. The mail is dropped only where its account was read and needs none, and put off where it
    is of another store than the one in use. Raises AccountMissing or VaultError where the account cannot be
    read or is somebody else's: its row was tampered with.
    """
    try:
        opened = intake.open_reply(session, PURPOSE, vault.token(PURPOSE, mail.id), now, spent_too=True)
    except LinkInvalid:
        return _prepare_again(session, vault, store, mail, now)
    data = opened.data
    account = state.get(session, bytes.fromhex(data["account"]))
    if account is None:
        raise AccountMissing
    if account.store != store:
        return Handover.LATER
    if not account.must_reset:
        return Handover.DROP
    fits = opened.id == mail.id and account.version == data["version"] and data.get("renewable")
    if opened.spent or not fits:
        return _prepare_again(session, vault, store, mail, now)
    replies.extend(session, mail.id, now, RENEWABLE_FOR)
    return Handover.SEND if now < form_until(opened.expires_at) else Handover.RENEW


def _prepare_again(
    session: Session, vault: WorkerVault, store: str, mail: LeavingMail, now: datetime
) -> Handover:
    if _is_of_another_kind(session, vault, store, mail):
        return Handover.LATER
    account = _account_of(session, vault, store, mail)
    if account is None:
        raise AccountMissing
    profile = state.owner(session, vault, account.id)
    if sign_in_name(profile.address) != sign_in_name(mail.address):
        raise AccountMissing  # the row's index was tampered with: it leads to someone else
    if not account.must_reset:
        return Handover.DROP
    replies.remove(session, vault, PURPOSE, mail.id)
    store_id = "" if account.store == BUILTIN else state.entry(session, vault, account.id).id
    content = {mail.id: renewable(account, profile, store_id)}
    replies.prepare_many(session, vault, PURPOSE, content, now=now, lifetime=RENEWABLE_FOR)
    return Handover.RENEW


def _is_of_another_kind(session: Session, vault: WorkerVault, store: str, mail: LeavingMail) -> bool:
    """Return whether a mail is about an account of the builtin store and another is in use, or vice versa."""
    try:
        _id, private = replies.private(session, vault, PURPOSE, vault.token(PURPOSE, mail.id))
    except LinkInvalid:
        return False
    return ("id" in private) is (store == BUILTIN)


def _account_of(session: Session, vault: WorkerVault, store: str, mail: LeavingMail) -> Account | None:
    if store == BUILTIN:
        return BuiltinStore().find(session, vault, mail.address)
    try:
        _id, private = replies.private(session, vault, PURPOSE, vault.token(PURPOSE, mail.id))
        return state.of_store(session, state.account_id(vault, store, private["id"]), store)
    except (LinkInvalid, KeyError):
        return None


def changed_key(vault: WorkerVault, account_id: bytes, version: int) -> bytes:
    """Return the unique key of the mail that says that a password was changed."""
    return vault.list_index("password changed", f"{account_id.hex()} {version}")


def hash_new(hasher: Hasher, password: Password, composed: str) -> NewPassword:
    """Return a new password that passed `passwords.check`, for the builtin store.

    Call it outside any transaction: it hashes. Raises PasswordRefused when it is the current or the closed
    password, TooBusy when no hash slot is free.
    """
    try:
        return builtin.hash_new(hasher, password, composed)
    except builtin.Reused as reused:
        raise PasswordRefused(CLOSED_PASSWORD if reused.closed else OLD_PASSWORD) from reused


def finish(
    session: Session,
    vault: WebVault,
    link: Link,
    new: NewPassword,
    *,
    language: str,
    now: datetime,
    is_unchecked: bool = False,
    factor: str | None = None,
    device: str = "",
) -> None:
    """Spend the link and store the password, both or neither. `is_unchecked`: see `store_password`.

    `factor` is the token of the proof that a second factor was right. Of parallel calls exactly one succeeds;
    the others raise LinkInvalid.
    """
    intake.spend(session, link.reply_id, now)
    if not factors.link_is_enough(session, link.account.store, link.account, link.reply_id, factor, now):
        raise FactorMissing
    try:
        store_password(
            session,
            vault,
            link.account,
            new,
            language=language,
            by_mail=True,
            now=now,
            is_unchecked=is_unchecked,
            device=device,
        )
    except Overtaken as error:
        raise LinkInvalid from error


def _day_of_choice(session: Session, now: datetime) -> datetime:
    """Return the day of `now`, or the start of the newest required reset if that was later on this day.

    So `require` sees what came first, and the account's row does not say when its owner was here.
    """
    newest = session.scalar(_NEWEST_REQUIRED, {"now": now})
    return max(newest or start_of_day(now), start_of_day(now))


def store_password(
    session: Session,
    vault: WebVault,
    account: Account,
    new: NewPassword,
    *,
    language: str,
    by_mail: bool,
    now: datetime,
    is_unchecked: bool = False,
    device: str = "",
) -> Account:
    """Store a password, end every session and have the worker notify the owner; return the changed account.

    `is_unchecked`: a list of stolen passwords was away, so it is looked up at the next sign-in.

    The account's version increases, which invalidates all its links. `by_mail` means that a mailed link was
    the proof; it does not sign anyone in. Otherwise the caller must create a new session for the browser.
    Raises Overtaken when the account changed since it was read.
    """
    by_mail_at = _day_of_choice(session, now) if by_mail else None
    if not builtin.store(session, vault, account, new, now=now, by_mail_at=by_mail_at):
        raise Overtaken
    version = account.version + 1
    if is_unchecked:
        unchecked.note(session, account.id, version)
    _after_change(session, vault, account.id, version, language, by_mail=by_mail, now=now, device=device)
    return replace(
        account,
        version=version,
        must_reset=False,
        password_changed_at=start_of_day(now),
        reset_required_at=None,
        reset_reason=None,
    )


def note_changed(
    session: Session,
    vault: WebVault,
    account_id: bytes,
    expected_version: int,
    *,
    language: str,
    by_mail: bool,
    now: datetime,
    device: str = "",
) -> None:
    """Note that a store of the company's has a new password, as `store_password` does. Raises Overtaken."""
    by_mail_at = _day_of_choice(session, now) if by_mail else None
    noted = state.changed(
        session, account_id, expected_version=expected_version, now=now, by_mail_at=by_mail_at
    )
    if not noted:
        raise Overtaken
    version = expected_version + 1
    _after_change(session, vault, account_id, version, language, by_mail=by_mail, now=now, device=device)


def _after_change(
    session: Session,
    vault: WebVault,
    account_id: bytes,
    version: int,
    language: str,
    *,
    by_mail: bool,
    now: datetime,
    device: str,
) -> None:
    """End every session of an account, record what happened, and have the worker tell its owner."""
    accounts.end_sessions(session, account_id)
    kind = Kind.CHOSE_PASSWORD if by_mail else Kind.CHANGED_PASSWORD
    activity.record(session, vault, account_id, kind, now, device=device)
    fields = {"account": account_id.hex(), "version": str(version), "language": language}
    if not by_mail:
        fields["stays"] = "1"
    intake.submit(session, vault, CHANGED, fields, now)


def submit_failed_sign_in(
    session: Session,
    vault: WebVault,
    *,
    address: str,
    closes: bool,
    language: str,
    lane: int,
    now: datetime,
) -> None:
    """Submit a failed sign-in to the worker, which mails a link if too many guesses have `closes` it.

    Every failure leaves the same row and the same response: when a door closes tells whether its owner came
    in meanwhile, so whether there is one. It does not count against the network's limit for resets: whoever
    guesses could use that up first, and keep the owner from hearing of it.
    """
    fields = {"email": address, "language": language, **({"closes": "1"} if closes else {})}
    intake.submit(session, vault, FAILED_SIGN_IN, fields, now, lane=lane)
