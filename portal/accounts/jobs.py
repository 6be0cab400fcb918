"""Worker jobs of accounts: store a chosen language, and clean up the sign-in tables."""

import logging
from datetime import datetime

from sqlalchemy.orm import Session

from portal.accounts import lockout, service, sign_in
from portal.accounts.activity import service as activity
from portal.accounts.address import service as addresses
from portal.accounts.factors import proofs
from portal.crypto.vault import VaultError
from portal.identity import state
from portal.identity.account import AccountMissing
from portal.intake.jobs import Request
from portal.runtime.parts import Outcome, WorkerParts
from portal.runtime.turns import in_turns
from portal.web import limits

log = logging.getLogger("portal.accounts")

LOCKOUT_CLEANUP_LIMIT = "1 per day"


def store_language(session: Session, request: Request, _now: datetime, parts: WorkerParts) -> Outcome:
    """Store the language that a signed-in person chose on the pages; unrequested mails use it."""
    language = request.fields.get("language", "")
    if language not in parts.settings.site.languages:
        return Outcome.ANSWERED
    try:
        account_id = bytes.fromhex(request.fields.get("account", ""))
    except ValueError:
        return Outcome.ANSWERED
    try:
        state.choose_language(session, parts.vault, account_id, language)
    except AccountMissing:
        pass
    except VaultError:
        log.error(
            "accounts: profile of account %s does not decrypt, language not stored; "
            "run 'portal accounts import' again to rewrite it",
            account_id.hex(),
        )
    return Outcome.ANSWERED


def tidy(parts: WorkerParts) -> None:
    """Remove ended sessions, old waits, and failure counts that no longer protect an account."""
    now = parts.clock.now()
    ended, events = (each.step(parts.settings.retention) for each in (service.EXPIRED, activity.EXPIRED))
    in_turns(parts, ended, service.purge_idle, sign_in.purge, proofs.purge, events, addresses.purge)
    with parts.db.write() as session:
        turn = limits.hit(session, parts.vault, LOCKOUT_CLEANUP_LIMIT, "tidy sign-in doors", now=now)
    if not turn.allowed:
        return
    with parts.db.read() as reading:
        if not lockout.any_expired(reading, now):
            return
        for names in lockout.expired_of_accounts(reading, parts.vault, now):
            with parts.db.write() as session:
                lockout.extend(session, names, now)
    in_turns(parts, lockout.remove_expired)
