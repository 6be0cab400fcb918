"""End an account's sessions in the company's product after a new password, and ask again until it is done."""

import logging

from sqlalchemy.exc import DBAPIError

from portal.core.faults import error_types, frames
from portal.identity import state
from portal.identity.ports import ExternalStore, OutcomeUnknown, StoreFault, StoreUnavailable
from portal.identity.service import external_store, is_external
from portal.reset.external import attempts
from portal.reset.external.attempts import SignOut
from portal.runtime.parts import WorkerParts

log = logging.getLogger("portal.reset")

_MOST = 20


def end_sessions(parts: WorkerParts, store: ExternalStore, wanted: SignOut) -> bool:
    """Ask the store to end an account's sessions, outside any transaction; return whether that is certain.

    Where it is not, the store is asked again later.
    """
    can = store.capabilities.end_sessions
    if can and not _asked(store, wanted):
        return False
    try:
        # A browser waits for this. Where a power cut undoes it, the store is asked once more.
        with parts.db.write(durable=False) as session:
            attempts.signed_out(session, parts.vault, wanted, parts.clock.now())
    except DBAPIError as error:  # it is asked once more, which is harmless
        log.warning("reset: that sessions were ended could not be noted (%s)", error_types(error))
    return can


def ask_again(parts: WorkerParts) -> None:
    """Ask the store once more to end the sessions that it has not ended."""
    if not is_external(parts.settings):
        return
    with parts.db.write() as session:
        due = attempts.due_sign_outs(session, parts.vault, parts.clock.now(), _MOST)
    store = external_store(parts.settings)
    for each in due:
        if state.account_id(parts.vault, store.name, each.store_id) != each.account_id:
            why = "PORTAL_IDENTITY_STORE names another store now"
        elif end_sessions(parts, store, each):
            log.info("reset: the sessions of account %s in the product were ended", each.account_id.hex())
            continue
        elif each.asked < attempts.MOST_SIGN_OUTS:
            continue
        else:
            why = f"the store was asked {each.asked} times"
        log.error(
            "reset: the sessions of account %s in the company's product were not ended: %s; the portal tries "
            "no more, so end them there",
            each.account_id.hex(),
            why,
        )
        with parts.db.write() as session:
            attempts.signed_out(session, parts.vault, each, parts.clock.now())


def _asked(store: ExternalStore, wanted: SignOut) -> bool:
    try:
        store.end_sessions([wanted.store_id])
    except Exception as error:  # noqa: BLE001 - whatever it raises, the password has been stored
        log.error(
            "reset: the sessions of account %s in the company's product could not be ended (%s), time %d; "
            "trying again within the hour%s",
            wanted.account_id.hex(),
            error_types(error),
            wanted.asked + 1,
            "" if isinstance(error, StoreUnavailable | StoreFault | OutcomeUnknown) else frames(error),
        )
        return False
    return True
