"""The worker's part: queue due reminders, a bounded number per run; answer who chooses one by mail."""

import logging
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from portal.core.addresses import AddressInvalid, normalise, sign_in_name
from portal.core.i18n import best_language
from portal.crypto import tokens
from portal.crypto.vault import VaultError
from portal.identity import state
from portal.identity.account import AccountMissing
from portal.identity.ports import Entry
from portal.intake import replies
from portal.intake.jobs import Handler, Request
from portal.intake.service import LinkInvalid
from portal.outbox import service as outbox
from portal.rotation import service
from portal.rotation.emails import OFF_PURPOSE, PURPOSE, ReminderLink, RotationReminder
from portal.rotation.models import ReminderChoice
from portal.runtime.parts import BeforeHandover, Outcome, WorkerParts
from portal.runtime.turns import Turns, in_turns

log = logging.getLogger("portal.rotation")

# Reminders per run: a backlog after an outage leaves at a steady rate.
BATCH = 100
RETRY_AFTER = timedelta(days=7)


def answer(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Mail the link to choose a reminder to the typed address: nobody is looked up."""
    try:
        address = normalise(request.fields.get("email", ""))
    except AddressInvalid:
        log.warning("rotation: request for reminders dropped, no valid address")
        return Outcome.ANSWERED
    row_id = request.reply_id
    if not replies.count_answer(
        session, parts.vault, PURPOSE, address, now, reply_id=row_id, lifetime=service.LINK_LIFETIME
    ):
        return Outcome.ANSWERED
    language = best_language(request.fields.get("language"), parts.settings.site.languages)
    replies.prepare(
        session,
        parts.vault,
        PURPOSE,
        row_id,
        data={"address": address},
        private={"to": address, "language": language},
        now=now,
        lifetime=service.LINK_LIFETIME,
        reusable=True,
    )
    outbox.enqueue(
        session, parts.vault, ReminderLink(), address=address, locale=language, now=now, row_id=row_id
    )
    return Outcome.ANSWERED


def store_choice(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Store the choice of a mailed link. The web process sends a token; the worker wrote the address."""
    interval = request.fields.get("interval", "")
    try:
        _, private = replies.private(session, parts.vault, PURPOSE, request.fields.get("token", ""))
    except (LinkInvalid, VaultError):
        log.warning("rotation: choice of a reminder dropped, unknown token or altered row")
        return Outcome.ANSWERED
    if interval not in service.CHOICES:
        log.warning("rotation: choice of a reminder dropped, unknown interval")
        return Outcome.ANSWERED
    address = private["to"]
    entry = Entry(id=sign_in_name(address), address=address, locale=private["language"])
    store = parts.settings.identity.store
    if interval == service.OFF:  # whoever never had one leaves nothing here
        service.choose_if_known(session, state.account_id(parts.vault, store, entry.id), interval, now)
    else:
        service.choose(session, state.ensure(session, parts.vault, store, entry).id, interval, now)
    return Outcome.ANSWERED


def forget(parts: WorkerParts) -> None:
    """Forget who switched off the reminders that they had chosen by mail: nothing else needs the address."""
    if parts.settings.identity.elsewhere is not None:
        in_turns(parts, service.forget_switched_off)


def remind(parts: WorkerParts, limit: int = BATCH) -> int:
    """Queue up to `limit` due reminders, each with its next date; return the number of mails queued."""
    now = parts.clock.now()
    in_turns(parts, service.reset_future_dates)
    turns = Turns(parts.db)
    seen = queued = 0
    while seen < limit and not parts.stopping():
        most = min(turns.rows, limit - seen)
        with turns.take() as session, session.no_autoflush:  # all choices are written at the end, at once
            due = service.take_due(session, now, most)
            queued += sum(_remind_account(session, parts, choice, now) for choice in due)
        seen += len(due)
        if len(due) < most:
            break
    return queued


def _remind_account(session: Session, parts: WorkerParts, choice: ReminderChoice, now: datetime) -> bool:
    """Queue one reminder or postpone it; return whether a mail was queued."""
    account = state.get(session, choice.account_id)
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
        profile = state.owner(session, parts.vault, choice.account_id)
    except AccountMissing:
        session.delete(choice)
        return False
    except VaultError:
        log.error(
            "rotation: profile of account %s does not decrypt; no reminder, retrying in %d days",
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


HANDLERS: dict[str, Handler] = {PURPOSE: answer, service.CHOSEN: store_choice}
BEFORE_HANDOVER: dict[str, BeforeHandover] = {PURPOSE: replies.living_from_handover(service.LINK_LIFETIME)}
