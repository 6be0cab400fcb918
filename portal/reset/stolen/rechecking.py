"""Look a password up at sign-in where that was not possible when it was chosen; lock it if it is listed."""

import logging
import unicodedata

from portal.accounts import service as accounts
from portal.identity import state, unchecked
from portal.identity.builtin.store import BuiltinStore
from portal.reset import service
from portal.web import frame

log = logging.getLogger("portal.reset")


def locked(account_id: bytes, version: int, address: str, typed: str) -> bool:
    """Return whether a password that fits was found on a list only now: it then no longer signs in.

    Its owner gets a link by mail, like somebody whose account was closed to strangers: who typed it may have
    it from the list. Only for the builtin store.
    """
    parts = frame.parts()
    with parts.db.read() as session:
        if not unchecked.is_noted(session, account_id, version):
            return False
    judged = parts.blocklists.judge(unicodedata.normalize("NFC", typed))
    found = judged.stolen or judged.exposed
    if judged.unchecked and not found:
        return False
    with parts.db.write() as session:
        current = state.get(session, account_id)
        if current is None or current.version != version:
            return False  # another password was chosen meanwhile, and judged
        unchecked.forget(session, account_id)
        if not found:
            return False
        now = parts.clock.now()
        BuiltinStore().require_reset(session, [account_id], service.REASON_LISTED, now)
        accounts.end_sessions(session, account_id)
        service.submit_failed_sign_in(
            session,
            parts.vault,
            address=address,
            closes=True,
            language=frame.language(),
            lane=frame.client_lane(),
            now=now,
        )
    log.warning(
        "reset: the password of account %s is on a list that was away when it was chosen; it was locked at "
        "this sign-in, and its owner gets a link by mail",
        account_id.hex(),
    )
    return True
