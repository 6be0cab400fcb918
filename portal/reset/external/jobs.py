"""The worker's jobs: store a new password in the company's own store, and clear up after a dead worker."""

import logging
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.exc import DBAPIError

from portal.accounts import service as accounts
from portal.accounts.external import verify_typed
from portal.accounts.factors import service as factors
from portal.core.addresses import sign_in_name
from portal.core.faults import error_types, frames
from portal.crypto.hashing import too_long
from portal.crypto.vault import VaultError
from portal.identity import state
from portal.identity.account import Account, AccountMissing
from portal.identity.ports import (
    Entry,
    ExternalStore,
    OutcomeUnknown,
    PasswordRefused,
    StoreFault,
    StoreUnavailable,
    Verdict,
)
from portal.identity.service import external_store
from portal.intake import replies
from portal.intake import service as intake
from portal.intake.service import LinkInvalid
from portal.reset import service
from portal.reset.emails import PURPOSE
from portal.reset.external import attempts, sign_outs
from portal.reset.external.attempts import Attempt, SignOut, UnderWay
from portal.reset.external.outcomes import (
    CHANGE,
    CHANGED,
    FACTOR_MISSING,
    GONE,
    GUESSED,
    NEW,
    REFUSED,
    UNDER_WAY,
    UNKNOWN,
    WRONG,
)
from portal.reset.rejections import CLOSED_PASSWORD, OLD_PASSWORD, STORES_RULES, Rejection
from portal.runtime.parts import SealedHandler, WorkerParts
from portal.runtime.turns import in_turns
from portal.web import limits

log = logging.getLogger("portal.reset")

GUESSES = "20 per day"  # wrong current passwords of one account
_MOST_LOST = 20
_NOT_BEGUN: dict[type[Exception], str] = {
    LinkInvalid: GONE,
    UnderWay: UNDER_WAY,
    service.FactorMissing: FACTOR_MISSING,
}


@dataclass(frozen=True, repr=False)
class Wanted:
    """A new password for an account as it was at `version`. `reply_id`: the mailed link that proves it."""

    account_id: bytes
    version: int
    entry: Entry
    password: str
    language: str
    reply_id: bytes | None = None
    factor: str = ""


@dataclass(frozen=True, repr=False)
class Begun:
    """An attempt that was committed, and what its account was then. `closed` is for the store to read."""

    attempt: Attempt
    must_reset: bool
    closed: bytes | None


def new_password(job_id: bytes, fields: Mapping[str, str], parts: WorkerParts) -> dict[str, Any]:
    """Store the password that was chosen through a mailed link, and spend the link if that went well."""
    store, now = external_store(parts.settings), parts.clock.now()
    try:
        with parts.db.read() as session:
            # The private part alone says whose link it is: who has a token can rewrite the rest.
            reply_id, private = replies.private(session, parts.vault, PURPOSE, fields["token"])
        entry = _entry(store, private["id"])
        if entry is None or sign_in_name(entry.address) != sign_in_name(private["to"]):
            return {"outcome": GONE}
        account_id = state.account_id(parts.vault, store.name, entry.id)
    except (LinkInvalid, VaultError, KeyError):
        return {"outcome": GONE}
    wanted = Wanted(
        account_id,
        private["version"],
        entry,
        fields["password"],
        fields["language"],
        reply_id,
        fields.get("factor", ""),
    )
    return _store(parts, store, job_id, wanted, now)


def change_password(job_id: bytes, fields: Mapping[str, str], parts: WorkerParts) -> dict[str, Any]:
    """Verify the current password of a signed-in person, and store the new one."""
    store, now = external_store(parts.settings), parts.clock.now()
    account_id = bytes.fromhex(fields["account"])
    try:
        with parts.db.read() as session:
            store_id = state.entry(session, parts.vault, account_id).id
    except (AccountMissing, VaultError):
        return {"outcome": GONE}
    entry = _entry(store, store_id)
    if entry is None:
        return {"outcome": GONE}
    # Counted here too: a stolen web server must not guess without end.
    with parts.db.read() as session:
        limit = limits.look(session, parts.vault, GUESSES, CHANGE, account_id.hex(), now=now)
    if not limit.allowed:
        return {"outcome": GONE, "why": GUESSED}
    if verify_typed(store, entry.id, fields["current"]) is Verdict.WRONG:
        with parts.db.write() as session:
            limits.hit(session, parts.vault, GUESSES, CHANGE, account_id.hex(), now=now)
        return {"outcome": WRONG}
    wanted = Wanted(account_id, int(fields["version"]), entry, fields["password"], fields["language"])
    return _store(parts, store, job_id, wanted, now)


def recover(parts: WorkerParts) -> None:
    """End the sessions of accounts whose attempt at a new password was a dead worker's; their links work.

    Also ask the store again to end those that it has not ended.
    """
    with parts.db.read() as session:
        if not attempts.any_over(session, parts.clock.now()):
            return
    with parts.db.write() as session:
        lost = attempts.lost(session, parts.vault, parts.clock.now(), _MOST_LOST)
        for each in lost:
            accounts.end_sessions(session, each.account_id)
            log.warning(
                "reset: the worker that was storing a new password of account %s ended before it was known "
                "to be stored; its sessions were ended, and its link works again",
                each.account_id.hex(),
            )
    sign_outs.ask_again(parts)
    in_turns(parts, attempts.purge)


def _entry(store: ExternalStore, store_id: str) -> Entry | None:
    found = [entry for entry in store.get([store_id]) if entry.id == store_id]
    if len(found) != 1:
        return None
    state.refuse_what_cannot_be_kept(found[0])
    return found[0]


def _store(
    parts: WorkerParts, store: ExternalStore, job_id: bytes, wanted: Wanted, now: datetime
) -> dict[str, Any]:
    """Begin an attempt and commit it, call the store outside any transaction, and commit what came of it."""
    try:
        begun = _begin(parts, job_id, wanted, now)
    except (LinkInvalid, UnderWay) as error:
        return {"outcome": _NOT_BEGUN[type(error)]}
    try:
        why = _why_refused(store, wanted, begun)
        if why is None:
            store.set_password(wanted.entry.id, wanted.password)
    except PasswordRefused:
        why = STORES_RULES
    except OutcomeUnknown as error:
        if not _fits_by_now(store, wanted):
            return _not_known(parts, store, wanted, begun.attempt, error)
        why = None
    except (StoreUnavailable, StoreFault):
        _end(parts, begun.attempt, unknown=begun.attempt.unsure)
        raise
    except Exception as error:  # noqa: BLE001 - a store of another package may raise anything, at any step
        log.error("reset: a call of the store failed (%s)%s", error_types(error), frames(error))
        return _not_known(parts, store, wanted, begun.attempt, error)
    if why is not None:
        _end(parts, begun.attempt, unknown=begun.attempt.unsure)
        return {"outcome": REFUSED, "why": why.code}
    return _stored(parts, store, wanted, begun.attempt, now)


def _begin(parts: WorkerParts, job_id: bytes, wanted: Wanted, now: datetime) -> Begun:
    """Commit that an attempt has begun.

    Raises UnderWay, FactorMissing, and LinkInvalid where link or account have changed.
    """
    with parts.db.write() as session:
        attempt = attempts.begin(
            session, parts.vault, job_id, wanted.account_id, wanted.entry.id, parts.clock.now()
        )
        if wanted.reply_id is not None and not intake.is_open(session, wanted.reply_id, now):
            raise LinkInvalid
        account = state.get(session, wanted.account_id) or Account(wanted.account_id, "")
        if account.version != wanted.version:
            raise LinkInvalid
        # The web process asks for it, too; a row in the database says that it was given.
        if wanted.reply_id is not None and not factors.link_is_enough(
            session, parts.settings.identity.store, account, wanted.reply_id, wanted.factor, now
        ):
            raise service.FactorMissing
        closed = state.closed(session, parts.vault, wanted.account_id)
        return Begun(attempt, account.must_reset, closed)


def _why_refused(store: ExternalStore, wanted: Wanted, begun: Begun) -> Rejection | None:
    """Return why the account must not get this password: it is the closed one, or the current one."""
    can = store.capabilities
    if can.remembers_closed and begun.closed is not None:
        if any(
            store.was_closed(wanted.entry.id, typed, begun.closed) for typed in _spellings(wanted.password)
        ):
            return CLOSED_PASSWORD
    # Where an attempt was lost, the current password may be this one, chosen a minute ago.
    if begun.attempt.unsure and (can.remembers_closed or not begun.must_reset):
        return None
    if can.verify and any(_fits(store, wanted.entry.id, typed) for typed in _spellings(wanted.password)):
        return CLOSED_PASSWORD if begun.must_reset else OLD_PASSWORD
    return None


def _spellings(password: str) -> list[str]:
    """Return the password as it is stored and, where it has accents, as an old system may have stored it."""
    decomposed = unicodedata.normalize("NFD", password)
    return [password] if decomposed == password or too_long(decomposed) else [password, decomposed]


def _fits(store: ExternalStore, store_id: str, typed: str) -> bool:
    return store.verify(store_id, typed) is not Verdict.WRONG


def _fits_by_now(store: ExternalStore, wanted: Wanted) -> bool:
    """Return whether the store has the new password for certain.

    That it does not fit is no certainty: what was under way when the call broke off may still arrive.
    """
    if not store.capabilities.verify:
        return False
    try:
        return _fits(store, wanted.entry.id, wanted.password)
    except (StoreUnavailable, StoreFault):
        return False


def _stored(
    parts: WorkerParts, store: ExternalStore, wanted: Wanted, attempt: Attempt, now: datetime
) -> dict[str, Any]:
    """Commit what follows from a stored password: the link is spent, and every session ends."""
    can = store.capabilities
    sign_out: SignOut | None = None
    try:
        with parts.db.write() as session:
            if wanted.reply_id is not None:
                intake.spend(session, wanted.reply_id, now)
            state.keep_owner(session, parts.vault, store.name, wanted.entry)
            service.note_changed(
                session,
                parts.vault,
                wanted.account_id,
                wanted.version,
                language=wanted.language,
                by_mail=wanted.reply_id is not None,
                now=parts.clock.now(),
            )
            if can.change_ends_sessions or not can.end_sessions:
                attempts.end(session, parts.vault, attempt, parts.clock.now(), unknown=False)
            else:
                # Before the store is asked: a worker that is killed then leaves it to the next one.
                sign_out = attempts.end_with_sign_out(
                    session, parts.vault, attempt, wanted.entry.id, parts.clock.now(), unknown=False
                )
    except (LinkInvalid, service.Overtaken):
        # A reset was required meanwhile. Which password the store has now, the next attempt finds out.
        return _unknown(parts, store, wanted, attempt) | {"link_open": False}
    except Exception as error:  # noqa: BLE001 - the store has the password: no session may outlive that
        log.error("reset: a stored password could not be noted (%s)%s", error_types(error), frames(error))
        return _unknown(parts, store, wanted, attempt)
    ended = sign_outs.end_sessions(parts, store, sign_out) if sign_out else can.change_ends_sessions
    return {
        "outcome": CHANGED,
        "account": wanted.account_id.hex(),
        "version": wanted.version + 1,
        "address": wanted.entry.address,
        "signed_out": ended,
    }


def _not_known(
    parts: WorkerParts, store: ExternalStore, wanted: Wanted, attempt: Attempt, error: Exception
) -> dict[str, Any]:
    """Open the link again after a call whose outcome nobody knows, and end all sessions."""
    told = _unknown(parts, store, wanted, attempt)
    log.error(
        "reset: the store did not say whether it has stored a new password of account %s (%s); its sessions "
        "were ended, and its owner can try again. See the store's own log",
        wanted.account_id.hex(),
        error_types(error),
    )
    return told


def _unknown(parts: WorkerParts, store: ExternalStore, wanted: Wanted, attempt: Attempt) -> dict[str, Any]:
    """End all sessions here and in the product, and return what the browser is told.

    Where the database fails, those of the product end now, and `recover` ends both once the lease is over.
    """
    sign_out = SignOut(wanted.account_id, wanted.entry.id, attempt.until)
    try:
        with parts.db.write() as session:
            accounts.end_sessions(session, wanted.account_id)
            sign_out = attempts.end_with_sign_out(
                session, parts.vault, attempt, wanted.entry.id, parts.clock.now(), unknown=True
            )
    except DBAPIError as error:
        log.error("reset: the end of an attempt could not be noted (%s)", error_types(error))
    return {"outcome": UNKNOWN, "signed_out": sign_outs.end_sessions(parts, store, sign_out)}


def _end(parts: WorkerParts, attempt: Attempt, *, unknown: bool) -> None:
    with parts.db.write() as session:
        attempts.end(session, parts.vault, attempt, parts.clock.now(), unknown=unknown)


SEALED: dict[str, SealedHandler] = {NEW: new_password, CHANGE: change_password}
