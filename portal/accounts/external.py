"""The worker's job: sign in with a password of the company's own store."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from portal.accounts import sign_in
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
        account = _account(store, entry, parts)
        known = state.get(session, account.id) or account
        attempt = sign_in.count_attempt(
            session,
            parts.vault,
            address=address,
            account=known if entry else None,
            network=fields["network"],
            device_cookie=fields["device"],
            limit=parts.settings.limits.sign_in_ip,
            now=parts.clock.now(),
        )
    if attempt.retry_after:
        return {"outcome": WAIT, "seconds": attempt.retry_after}
    try:
        verdict = verify_typed(store, entry.id if entry else None, fields["password"])
    except (StoreUnavailable, StoreFault):
        with parts.db.write() as session:
            sign_in.forgive(session, parts.vault, attempt, parts.clock.now())
        raise
    if entry is None or verdict is Verdict.WRONG or not attempt.open or known.must_reset:
        with parts.db.write() as session:
            if parts.sign_in_failed is not None:
                parts.sign_in_failed(
                    session,
                    parts.vault,
                    address=address,
                    closes=attempt.closes,
                    language=fields["language"],
                    lane=int(fields["lane"]),
                    now=parts.clock.now(),
                )
        return {"outcome": REFUSED, "address": address}
    if verdict is Verdict.NEEDS_FACTOR:
        return {"outcome": NEEDS_FACTOR}
    with parts.db.write() as session:
        sign_in.clear(session, parts.vault, attempt)
        signed_in = state.ensure(session, parts.vault, store.name, entry)
    return {
        "outcome": SIGNED_IN,
        "account": signed_in.id.hex(),
        "version": signed_in.version,
        "address": address,
    }


def verify_typed(store: ExternalStore, store_id: str | None, typed: str) -> Verdict:
    """Return what the store says of a typed password in NFC and, where it was typed otherwise, as typed.

    New passwords are stored in NFC, and a company's former system may have stored what its people typed.
    """
    for spelling in dict.fromkeys((unicodedata.normalize("NFC", typed), typed)):
        verdict = store.verify(store_id, spelling)
        if verdict is not Verdict.WRONG:
            return verdict
    return Verdict.WRONG


def _entry(store: ExternalStore, address: str) -> Entry | None:
    """Return the account that signs in with an address; where several do, nobody is guessed."""
    wanted = sign_in_name(address)
    found = [entry for entry in store.find([address]) if sign_in_name(entry.address) == wanted]
    return found[0] if len(found) == 1 else None


def _account(store: ExternalStore, entry: Entry | None, parts: WorkerParts) -> Account:
    store_id = entry.id if entry else ""
    return Account(state.account_id(parts.vault, store.name, store_id), store.name)


SEALED: dict[str, SealedHandler] = {SIGN_IN: try_to_sign_in}
