"""The worker's part: tell an account's owner what changed, with the link "this wasn't me"."""

import logging
from datetime import datetime

from sqlalchemy.orm import Session

from portal.accounts.activity import not_me
from portal.accounts.activity.emails import AccountChanged
from portal.accounts.activity.service import EVENT, MAILED, Kind
from portal.accounts.address import telling
from portal.core.dates import moment
from portal.core.i18n import best_language
from portal.crypto.vault import VaultError
from portal.identity import state
from portal.identity.account import AccountMissing
from portal.intake.jobs import Handler, Request
from portal.outbox import service as outbox
from portal.runtime.parts import BeforeHandover, Outcome, WorkerParts
from portal.web import clients, limits

log = logging.getLogger("portal.accounts")

# Only the web process reports a change, and a thief who controls it must not send people alarming mails
# without end. Each kind of change has a count of its own: who makes recovery codes again and again keeps
# nobody from hearing that the app was removed.
MAILS_PER_KIND = "20 per day"


def notify_owner(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Mail an account's owner what changed, once for each event."""
    event, change = request.fields.get("event", ""), request.fields.get("change", "")
    try:
        account_id, kind = bytes.fromhex(request.fields.get("account", "")), Kind(change)
        profile = state.owner(session, parts.vault, account_id)
    except (ValueError, AccountMissing, VaultError):
        return Outcome.ANSWERED
    if kind not in MAILED or not event:
        return Outcome.ANSWERED
    turn = limits.hit(
        session, parts.vault, MAILS_PER_KIND, "account mails", account_id.hex(), change, now=now
    )
    if not turn.allowed:
        log.warning("accounts: account %s had 20 mails about '%s' today, no more", account_id.hex(), change)
        return Outcome.ANSWERED
    site = parts.settings.site
    language = best_language(request.fields.get("language") or profile.language, site.languages)
    row_id = outbox.enqueue(
        session,
        parts.vault,
        AccountChanged(
            moment(request.asked_at, language, site.timezone),
            change,
            *clients.read_device(request.fields.get("device", "")),
        ),
        address=profile.address,
        locale=language,
        now=now,
        unique=parts.vault.list_index("account changed", event),
    )
    if row_id is not None:
        not_me.prepare(session, parts.vault, row_id, account_id, kind, request.asked_at, now)
        telling.tell_former(
            session,
            parts,
            account_id,
            change,
            at=request.asked_at,
            now=now,
            language=language,
            unique=event,
        )
    return Outcome.ANSWERED


HANDLERS: dict[str, Handler] = {EVENT: notify_owner}
BEFORE_HANDOVER: dict[str, BeforeHandover] = {AccountChanged.name: not_me.before_handover}
