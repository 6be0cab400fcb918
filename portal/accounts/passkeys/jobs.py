"""Worker jobs of passkeys: tell owners what changed, and forget challenges that ended."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.accounts.activity import not_me
from portal.accounts.activity.service import Kind
from portal.accounts.address import telling
from portal.accounts.passkeys import challenges, service
from portal.accounts.passkeys.emails import PasskeyChanged
from portal.core.dates import moment
from portal.core.i18n import best_language
from portal.crypto.vault import VaultError
from portal.identity import state
from portal.identity.account import AccountMissing
from portal.identity.service import external_store
from portal.intake.jobs import Handler, Request
from portal.outbox import service as outbox
from portal.runtime.parts import BeforeHandover, Outcome, SealedHandler, WorkerParts
from portal.runtime.turns import in_turns
from portal.web import limits

log = logging.getLogger("portal.passkeys")

# Only the web process reports a change, and a thief who controls it must not send people alarming mails
# without end. Each kind of change has a count of its own, so that none hides another.
MAILS_PER_CHANGE = "20 per day"
# The sealed job of a sign-in with a passkey, and what it says beside what every one may.
EXISTS = "passkey-account"
ACTIVE, GONE = "active", "gone"
CHANGES = (service.ADDED, service.REMOVED, service.STOPPED)


def notify_owner(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Mail an account's owner what became of a passkey, once for each change."""
    change = request.fields.get("change", "")
    try:
        account_id = bytes.fromhex(request.fields.get("account", ""))
        passkey_id = bytes.fromhex(request.fields.get("passkey", ""))
        profile = state.owner(session, parts.vault, account_id)
    except (ValueError, AccountMissing, VaultError):
        return Outcome.ANSWERED
    if change not in CHANGES:
        return Outcome.ANSWERED
    turn = limits.hit(
        session, parts.vault, MAILS_PER_CHANGE, "passkey mails", account_id.hex(), change, now=now
    )
    if not turn.allowed:
        log.warning("passkeys: account %s had 20 mails about '%s' today, no more", account_id.hex(), change)
        return Outcome.ANSWERED
    language = best_language(
        request.fields.get("language") or profile.language, parts.settings.site.languages
    )
    mail = PasskeyChanged(moment(request.asked_at, language, parts.settings.site.timezone), change)
    unique = parts.vault.list_index("passkey changed", f"{passkey_id.hex()} {change}")
    row_id = outbox.enqueue(
        session, parts.vault, mail, address=profile.address, locale=language, now=now, unique=unique
    )
    if row_id is not None:
        not_me.prepare(session, parts.vault, row_id, account_id, Kind(change), request.asked_at, now)
        telling.tell_former(
            session,
            parts,
            account_id,
            change,
            at=request.asked_at,
            now=now,
            language=language,
            unique=passkey_id.hex(),
        )
    return Outcome.ANSWERED


def exists(_job_id: bytes, fields: Mapping[str, str], parts: WorkerParts) -> dict[str, Any]:
    """Return whether the company's own store still has an account; its address is told to nobody."""
    try:
        with parts.db.read() as session:
            entry = state.entry(session, parts.vault, bytes.fromhex(fields["account"]))
    except (AccountMissing, VaultError):
        return {"outcome": GONE}
    found = external_store(parts.settings).get([entry.id])
    return {"outcome": ACTIVE if [one.id for one in found] == [entry.id] else GONE}


def tidy(parts: WorkerParts) -> None:
    """Remove answered challenges that would have ended by now."""
    in_turns(parts, challenges.purge)


HANDLERS: dict[str, Handler] = {service.CHANGED: notify_owner}
BEFORE_HANDOVER: dict[str, BeforeHandover] = {PasskeyChanged.name: not_me.before_handover}
SEALED: dict[str, SealedHandler] = {EXISTS: exists}
