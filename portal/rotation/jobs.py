"""Send the reminders that are due: a bounded number at a time, each in one transaction with its next date."""

import logging
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from portal.crypto import tokens
from portal.crypto.vault import VaultError
from portal.identity.port import AccountMissing, Store
from portal.identity.service import store_for
from portal.outbox import service as outbox
from portal.rotation import service
from portal.rotation.emails import OFF_PURPOSE, RotationReminder
from portal.rotation.models import ReminderChoice
from portal.runtime.parts import WorkerParts

log = logging.getLogger("portal.rotation")

# What the schedule sends each time it runs: what piled up in an outage leaves as a steady trickle, no storm.
AT_A_TIME = 100
LOOK_AGAIN = timedelta(days=7)


def remind(parts: WorkerParts, at_a_time: int = AT_A_TIME) -> int:
    """Enqueue reminders that are due, and return how many. A crash undoes a mail and its date together."""
    now = parts.clock.now()
    store = store_for(parts.settings)
    with parts.db.write() as session:
        service.mend_dates(session, now)
        due = service.take_due(session, now, at_a_time)
        return sum(_remind_account(session, parts, store, choice, now) for choice in due)


def _remind_account(
    session: Session, parts: WorkerParts, store: Store, choice: ReminderChoice, now: datetime
) -> bool:
    """Remind one person, or note when to look again. Returns whether a mail was enqueued."""
    account = store.get(session, choice.account_id)
    if account is None:
        session.delete(choice)
        return False
    if account.must_reset:  # the mail that required it says more than a reminder would
        choice.next_due_at = now + LOOK_AGAIN
        return False
    wait = service.put_off_until(choice, account.password_changed_at, now)
    if wait is not None:
        choice.next_due_at = wait
        return False
    try:
        profile = store.profile(session, parts.vault, choice.account_id)
    except (AccountMissing, VaultError):
        log.error("a profile does not open: its owner gets no reminder, and we try again in a week")
        choice.next_due_at = now + LOOK_AGAIN
        return False
    row_id = outbox.enqueue(
        session,
        parts.vault,
        RotationReminder(choice.account_id.hex(), choice.months),
        address=profile.address,
        locale=profile.language,
        now=now,
        # One a month at most, whatever dates somebody may write into the table.
        unique=parts.vault.list_index("reminder", f"{choice.account_id.hex()} {now:%Y-%m}"),
        batch=choice.account_id,
    )
    service.reminded(choice, tokens.token_hash(parts.vault.token(OFF_PURPOSE, choice.account_id)), now)
    return row_id is not None
