"""The worker's part: prepare a copy, mail the link that confirms an erasure, and erase."""

import json
import logging
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from portal.accounts import service as sessions
from portal.accounts.address import service as addresses
from portal.core.i18n import best_language
from portal.crypto.vault import VaultError
from portal.identity import state
from portal.identity.account import Account, AccountMissing, Profile
from portal.identity.service import is_external
from portal.intake import replies
from portal.intake.jobs import Handler, Lookup, Request
from portal.intake.service import LinkInvalid
from portal.mydata import erasing, gathering, service
from portal.mydata.emails import COPY, ERASE, CopyReady, EraseConfirm, Erased
from portal.outbox import service as outbox
from portal.runtime.parts import BeforeHandover, Handover, LeavingMail, Outcome, WorkerParts
from portal.runtime.turns import in_turns

log = logging.getLogger("portal.mydata")

_UNIQUE = "account erased"


def gather(request: Request, parts: WorkerParts) -> tuple[bytes, ...]:
    """Return the copy that was asked for; nothing where the session that asked has ended.

    It reads much, so it runs before the transaction that stores the copy.
    """
    now = parts.clock.now()
    with parts.db.snapshot() as session:
        found = _asking(session, request, parts, now)
        if found is None:
            return ()
        account, owner = found
        language = _language(request, owner, parts)
        content = gathering.gather(session, parts, account, owner, language, now)
    return (json.dumps(content, indent=2, ensure_ascii=False, default=_iso).encode(),)


def prepare(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Store the copy and mail its link to the account's address, three times a day at most."""
    found = _asking(session, request, parts, now)
    if found is None or not request.found:
        return Outcome.ANSWERED
    account, owner = found
    token = _prepare_link(
        session, request, now, parts, account, owner, purpose=COPY, lifetime=service.COPY_LIFETIME
    )
    if token is not None:
        service.store(session, request.reply_id, token, request.found[0], now)
        _mail(session, request, now, parts, owner, CopyReady())
    return Outcome.ANSWERED


def ask_to_erase(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Mail the link that confirms an erasure to the account's address, three times a day at most."""
    found = _asking(session, request, parts, now)
    if found is None:
        return Outcome.ANSWERED
    account, owner = found
    if addresses.undo_until(session, account.id, now) is not None:
        return Outcome.ANSWERED  # the page says why: who changed the address may be a thief
    token = _prepare_link(
        session, request, now, parts, account, owner, purpose=ERASE, lifetime=service.ERASE_LIFETIME
    )
    if token is not None:
        _mail(session, request, now, parts, owner, EraseConfirm())
    return Outcome.ANSWERED


def erase(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Erase the account of a confirmed link, and say so in a last mail.

    The web process sends a token; the worker wrote whose account it is. A request that was answered before
    finds no account.
    """
    try:
        _, private = replies.private(session, parts.vault, ERASE, request.fields.get("token", ""))
        account_id = bytes.fromhex(private["account"])
        owner = state.owner(session, parts.vault, account_id)
    except (LinkInvalid, VaultError, AccountMissing, KeyError):
        log.warning("mydata: an erasure was dropped: unknown token, altered row or no account")
        return Outcome.ANSWERED
    store = parts.settings.identity.store
    account = state.get_many(session, [account_id], for_update=True).get(account_id)
    if account is None:
        account = state.of_store(session, account_id, store)
    if account is None or account.must_reset or account.version != private["version"]:
        log.warning("mydata: an erasure was dropped: the account changed after its link was mailed")
        return Outcome.ANSWERED
    external = is_external(parts.settings)
    erasing.erase(session, parts.vault, account, owner, now, external=external)
    language = best_language(request.fields.get("language") or owner.language, parts.settings.site.languages)
    outbox.enqueue(
        session,
        parts.vault,
        Erased(elsewhere=external),
        address=owner.address,
        locale=language,
        now=now,
        unique=parts.vault.list_index(_UNIQUE, f"{account_id.hex()} {account.version}"),
    )
    return Outcome.ANSWERED


def tidy(parts: WorkerParts) -> None:
    """Remove prepared copies whose links have ended."""
    in_turns(parts, service.EXPIRED.step(parts.settings.retention))


def before_copy(session: Session, mail: LeavingMail, now: datetime, parts: WorkerParts) -> Handover:
    """Let a copy live as long as its link, which begins to live as the mail leaves."""
    handover = replies.living_from_handover(service.COPY_LIFETIME)(session, mail, now, parts)
    if handover is Handover.SEND:
        service.extend(session, mail.id, now)
    return handover


def _iso(at: date) -> str:
    return at.isoformat()


def _asking(
    session: Session, request: Request, parts: WorkerParts, now: datetime
) -> tuple[Account, Profile] | None:
    """Return the account of a request and its owner, if the session that asked still lives."""
    fields = request.fields
    try:
        account_id = bytes.fromhex(fields.get("account", ""))
        session_id = bytes.fromhex(fields.get("session", ""))
        account = state.of_store(session, account_id, parts.settings.identity.store)
        owner = state.owner(session, parts.vault, account_id)
    except (ValueError, AccountMissing, VaultError):
        return None
    if account is None or account.must_reset or str(account.version) != fields.get("version"):
        return None
    return (account, owner) if sessions.lives(session, account, session_id, now) else None


def _prepare_link(
    session: Session,
    request: Request,
    now: datetime,
    parts: WorkerParts,
    account: Account,
    owner: Profile,
    *,
    purpose: str,
    lifetime: timedelta,
) -> str | None:
    """Prepare a link to the account's address and return its token; None after three on one day."""
    if not replies.count_answer(
        session, parts.vault, purpose, owner.address, now, reply_id=request.reply_id, lifetime=lifetime
    ):
        return None
    whose = {"account": account.id.hex(), "version": account.version}
    return replies.prepare(
        session,
        parts.vault,
        purpose,
        request.reply_id,
        data=whose,
        private=whose,
        now=now,
        lifetime=lifetime,
        reusable=purpose == COPY,
    )


def _mail(
    session: Session,
    request: Request,
    now: datetime,
    parts: WorkerParts,
    owner: Profile,
    mail: CopyReady | EraseConfirm,
) -> None:
    language = _language(request, owner, parts)
    outbox.enqueue(
        session,
        parts.vault,
        mail,
        address=owner.address,
        locale=language,
        now=now,
        row_id=request.reply_id,
    )


def _language(request: Request, owner: Profile, parts: WorkerParts) -> str:
    return best_language(request.fields.get("language") or owner.language, parts.settings.site.languages)


HANDLERS: dict[str, Handler] = {COPY: prepare, ERASE: ask_to_erase, service.CONFIRMED: erase}
LOOKUPS: dict[str, Lookup] = {COPY: gather}
BEFORE_HANDOVER: dict[str, BeforeHandover] = {
    COPY: before_copy,
    ERASE: replies.living_from_handover(service.ERASE_LIFETIME),
}
