"""The worker's part: what people ask for while signed in, their language, and the tables of sign-in."""

import logging
from datetime import datetime

from sqlalchemy.orm import Session

from portal.accounts import lockout, service, sign_in
from portal.crypto.vault import VaultError
from portal.identity.port import AccountMissing
from portal.identity.service import store_for
from portal.intake.jobs import Request
from portal.runtime.parts import WorkerParts
from portal.web import limits

log = logging.getLogger("portal.accounts")

LOCKOUT_EVERY = "1 per day"


def store_language(session: Session, request: Request, _now: datetime, parts: WorkerParts) -> bool:
    """Keep the language that somebody who is signed in chose on the pages: mails nobody asked for come in it."""
    language = request.fields.get("language", "")
    if language not in parts.settings.site.languages:
        return False
    try:
        account_id = bytes.fromhex(request.fields.get("account", ""))
        store_for(parts.settings).choose_language(session, parts.vault, account_id, language)
    except (ValueError, AccountMissing):
        return False
    except VaultError:
        log.error("the profile of an account does not open: its owner's language cannot be kept")
    return False


def tidy(parts: WorkerParts) -> None:
    """Remove sessions that are over, and counts that protect nobody any more."""
    now = parts.clock.now()
    with parts.db.write() as session:
        service.purge(session, now)
        sign_in.purge(session, now)
        turn = limits.hit(session, parts.vault, LOCKOUT_EVERY, "tidy sign-in doors", now=now)
    if not turn.allowed:
        return
    with parts.db.read() as reading:
        if not lockout.any_old(reading, now):
            return
        for names in lockout.old_of_accounts(reading, parts.vault, store_for(parts.settings), now):
            with parts.db.write() as session:
                lockout.postpone(session, names, now)
    left = True
    while left:
        with parts.db.write() as session:
            left = lockout.remove_old(session, now)
