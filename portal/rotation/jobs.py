"""Scheduled job: queue due reminders, a bounded number per run, together with their next dates."""

import logging
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from portal.crypto import tokens
from portal.crypto.vault import VaultError
from portal.identity.account import AccountMissing
from portal.identity.port import Store
from portal.identity.service import store_for
from portal.outbox import service as outbox
from portal.rotation import service
from portal.rotation.emails import OFF_PURPOSE, RotationReminder
from portal.rotation.models import ReminderChoice
from portal.runtime.parts import WorkerParts
from portal.runtime.turns import Turns, in_turns

log = logging.getLogger("portal.rotation")

# Reminders per run: a backlog after an outage leaves at a steady rate.
BATCH = 100
RETRY_AFTER = timedelta(days=7)


def remind(parts: WorkerParts, limit: int = BATCH) -> int:
    """Queue up to `limit` due reminders, each with its next date; return the number of mails queued."""
    now = parts.clock.now()
    store = store_for(parts.settings)
    in_turns(parts, service.reset_future_dates)
    turns = Turns(parts.db)
    seen = queued = 0
    while seen < limit and not parts.stopping():
        most = min(turns.rows, limit - seen)
        with turns.take() as session, session.no_autoflush:  # all choices are written at the end, at once
            due = service.take_due(session, now, most)
            queued += sum(_remind_account(session, parts, store, choice, now) for choice in due)
        seen += len(due)
        if len(due) < most:
            break
    return queued


def _remind_account(
    session: Session, parts: WorkerParts, store: Store, choice: ReminderChoice, now: datetime
) -> bool:
    """Queue one reminder or postpone it; return whether a mail was queued."""
    account = store.get(session, parts.vault, choice.account_id)
    if account is None:
        session.delete(choice)
        return False
    if account.must_reset:  # the mail that required it says more than a reminder
        choice.next_due_at = now + RETRY_AFTER
        return False
    wait = service.put_off_until(choice, account.password_changed_at, now)
    if wait is not None:
        choice.next_due_at = wait
        return False
    try:
        profile = store.profile(session, parts.vault, choice.account_id)
    except (AccountMissing, VaultError):
        log.error(
            "rotation: profile of account %s missing or does not decrypt; no reminder, retrying in %d days",
            choice.account_id.hex(),
            RETRY_AFTER.days,
        )
        choice.next_due_at = now + RETRY_AFTER
        return False
    row_id = outbox.enqueue(
        session,
        parts.vault,
        RotationReminder(choice.account_id.hex(), choice.months),
        address=profile.address,
        locale=profile.language,
        now=now,
        # One per month at most, whatever dates are written into the table.
        unique=service.reminder_key(parts.vault, choice.account_id, now),
        batch=choice.account_id,
    )
    service.reminded(choice, tokens.token_hash(parts.vault.token(OFF_PURPOSE, choice.account_id)), now)
    return row_id is not None
