"""The worker's job: sign in with a password of the company's own store."""

import logging
import unicodedata
from collections.abc import Callable, Mapping
from secrets import token_hex
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from portal.accounts import attempt, sign_in
from portal.accounts.attempt import NeedsFactor, Refused
from portal.core.addresses import sign_in_name
from portal.core.faults import error_types, frames
from portal.identity import state
from portal.identity.account import Account
from portal.identity.ports import Entry, ExternalStore, StoreFault, StoreUnavailable, Verdict
from portal.identity.service import external_store
from portal.runtime.parts import SealedHandler, WorkerParts

log = logging.getLogger("portal.identity")

SIGN_IN = "sign-in"
# What became of a job, beside what the transport itself says (portal/identity/sealed/jobs.py).
SIGNED_IN, REFUSED, WAIT, NEEDS_FACTOR = "signed in", "refused", "wait", "needs factor"

Answer = TypeVar("Answer")


def try_to_sign_in(_job_id: bytes, fields: Mapping[str, str], parts: WorkerParts) -> dict[str, Any]:
    """Count an attempt, have the store verify the password, and return what the browser is told.

    The same statements run and the same calls are made whether or not an account exists. An account's row is
    written for its owner alone: a stranger's attempt must not leave one. Where the store fails at this one
    account, the answer is the one for strangers: another would say that there is an account.
    """
    store, address = external_store(parts.settings), fields["email"]
    stranger = f"{token_hex(8)}@{token_hex(8)}.invalid"
    entry = _or_stranger(lambda: _entry(store, address), lambda: _entry(store, stranger))
    with parts.db.write() as session:
        account = _account(session, store, entry, parts)
        counted = sign_in.count_attempt(
            session,
            parts.vault,
            address=address,
            account=account if entry else None,
            network=fields["network"],
            device_cookie=fields["device"],
            limit=parts.settings.limits.sign_in_ip,
            now=parts.clock.now(),
        )
    if counted.retry_after:
        return {"outcome": WAIT, "seconds": counted.retry_after}
    try:
        seed = parts.vault.bucket("stand-in", parts.vault.account_index(address).hex())
        verdict = _or_stranger(
            lambda: verify_typed(store, entry.id if entry else None, fields["password"], seed),
            lambda: verify_typed(store, None, fields["password"], seed),
        )
    except (StoreUnavailable, StoreFault):
        with parts.db.write() as session:
            sign_in.forgive(session, parts.vault, counted, parts.clock.now())
        raise
    outcome = attempt.judge(counted, account if entry else None, verdict)
    if entry is None or isinstance(outcome, Refused):
        with parts.db.write() as session:
            if parts.sign_in_failed is not None:
                parts.sign_in_failed(
                    session,
                    parts.vault,
                    address=address,
                    closes=counted.closes,
                    language=fields["language"],
                    lane=int(fields["lane"]),
                    now=parts.clock.now(),
                )
        return {"outcome": REFUSED, "address": address}
    if isinstance(outcome, NeedsFactor):
        return {"outcome": NEEDS_FACTOR}
    with parts.db.write() as session:
        sign_in.clear(session, parts.vault, counted)
        state.keep_owner(session, parts.vault, store.name, entry)
    # The version from before the password was verified: one that was replaced meanwhile signs nobody in.
    return {
        "outcome": SIGNED_IN,
        "account": account.id.hex(),
        "version": account.version,
        "address": address,
    }


def verify_typed(store: ExternalStore, store_id: str | None, typed: str, seed: bytes = b"") -> Verdict:
    """Return what the store says of a typed password in NFC and, where it was typed otherwise, as typed.

    New passwords are stored in NFC, and a company's former system may have stored what its people typed.
    """
    for spelling in dict.fromkeys((unicodedata.normalize("NFC", typed), typed)):
        verdict = store.verify(store_id, spelling, seed)
        if verdict is not Verdict.WRONG:
            return verdict
    return Verdict.WRONG


def _entry(store: ExternalStore, address: str) -> Entry | None:
    """Return the account that signs in with an address; where several do, nobody is guessed."""
    wanted = sign_in_name(address)
    found = [entry for entry in store.find([address]) if sign_in_name(entry.address) == wanted]
    if len(found) != 1:
        return None
    state.refuse_what_cannot_be_kept(found[0])
    return found[0]


def _or_stranger(ask: Callable[[], Answer], ask_of_nobody: Callable[[], Answer]) -> Answer:
    """Return what the store answers, and what it answers of nobody where it fails at this one account.

    Where it fails at nobody's too, raises what it raised.
    """
    try:
        return ask()
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - a store of another package may raise anything
        answer = ask_of_nobody()
        log.error(
            "identity: the store fails at one account and answers about others: %s; its owner cannot "
            "sign in until that is mended, and is told what strangers are. See the store's own log%s",
            error if isinstance(error, StoreFault) else error_types(error),
            "" if isinstance(error, StoreFault) else frames(error),
        )
        return answer


def _account(session: Session, store: ExternalStore, entry: Entry | None, parts: WorkerParts) -> Account:
    """Return what the portal knows of an account; without one, run the same query for an id of nobody."""
    account_id = state.account_id(parts.vault, store.name, entry.id if entry else "")
    return state.get(session, account_id) or Account(account_id, store.name)


SEALED: dict[str, SealedHandler] = {SIGN_IN: try_to_sign_in}
