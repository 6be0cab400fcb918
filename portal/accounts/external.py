"""The worker's job: sign in with a password of the company's own store."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from portal.accounts import attempt, sign_in
from portal.accounts.attempt import NeedsFactor, Refused
from portal.core.addresses import sign_in_name
from portal.identity import state
from portal.identity.account import Account
from portal.identity.ports import Entry, ExternalStore, StoreFault, StoreUnavailable, Verdict
from portal.identity.service import external_store
from portal.runtime.parts import SealedHandler, WorkerParts

SIGN_IN = "sign-in"
# What became of a job, beside what the transport itself says (portal/identity/sealed/jobs.py).
SIGNED_IN, REFUSED, WAIT, NEEDS_FACTOR = "signed in", "refused", "wait", "needs factor"


def try_to_sign_in(_job_id: bytes, fields: Mapping[str, str], parts: WorkerParts) -> dict[str, Any]:
    """Count an attempt, have the store verify the password, and return what the browser is told.

    The same statements run and the same calls are made whether or not an account exists. An account's row is
    written for its owner alone: a stranger's attempt must not leave one.
    """
    store, address = external_store(parts.settings), fields["email"]
    entry = _entry(store, address)
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
        verdict = verify_typed(store, entry.id if entry else None, fields["password"], seed)
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
        state.ensure(session, parts.vault, store.name, entry)
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
    return found[0] if len(found) == 1 else None


def _account(session: Session, store: ExternalStore, entry: Entry | None, parts: WorkerParts) -> Account:
    """Return what the portal knows of an account; without one, run the same query for an id of nobody."""
    account_id = state.account_id(parts.vault, store.name, entry.id if entry else "")
    return state.get(session, account_id) or Account(account_id, store.name)


SEALED: dict[str, SealedHandler] = {SIGN_IN: try_to_sign_in}
