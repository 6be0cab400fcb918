"""The worker's job: verify the password of somebody who is signed in, in the company's own store."""

from collections.abc import Mapping
from typing import Any

from portal.accounts.external import verify_typed
from portal.crypto.vault import VaultError
from portal.identity import state
from portal.identity.account import AccountMissing
from portal.identity.ports import Verdict
from portal.identity.service import external_store
from portal.runtime.parts import SealedHandler, WorkerParts
from portal.web import limits

CONFIRM = "confirm"
FITS, WRONG, GONE = "fits", "wrong", "gone"
GUESSES = "20 per day"  # wrong passwords of one account


def confirm_password(_job_id: bytes, fields: Mapping[str, str], parts: WorkerParts) -> dict[str, Any]:
    """Return whether the store says that a password is that of an account; nothing else happens."""
    store, now = external_store(parts.settings), parts.clock.now()
    account_id = bytes.fromhex(fields["account"])
    try:
        with parts.db.read() as session:
            store_id = state.entry(session, parts.vault, account_id).id
            # Counted here too: a stolen web server must not guess without end.
            limit = limits.look(session, parts.vault, GUESSES, CONFIRM, account_id.hex(), now=now)
    except (AccountMissing, VaultError):
        return {"outcome": GONE}
    if not limit.allowed:
        return {"outcome": GONE}
    if verify_typed(store, store_id, fields["password"]) is Verdict.WRONG:
        with parts.db.write() as session:
            limits.hit(session, parts.vault, GUESSES, CONFIRM, account_id.hex(), now=now)
        return {"outcome": WRONG}
    return {"outcome": FITS, "account": account_id.hex()}


SEALED: dict[str, SealedHandler] = {CONFIRM: confirm_password}
