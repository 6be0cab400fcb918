"""The worker's part: look at each case about once an hour, and act on what mailed links did."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal.cases import mailing, records, steps
from portal.cases.emails import STOP, VERIFY, CaseNotice, CaseReset, CaseVerify
from portal.cases.models import Case
from portal.cases.records import CaseAltered, CaseUnknown
from portal.cases.service import LOOKS, next_look
from portal.crypto.vault import VaultError
from portal.identity import state
from portal.identity.account import AccountMissing
from portal.identity.ports import OutcomeUnknown, StoreFault, StoreUnavailable
from portal.identity.service import external_store
from portal.intake import replies
from portal.intake.jobs import Handler, Request
from portal.intake.service import LinkInvalid
from portal.reset.service import RENEWABLE_FOR
from portal.runtime.parts import BeforeHandover, Handover, LeavingMail, Outcome, WorkerParts
from portal.runtime.turns import Expired, in_turns

log = logging.getLogger("portal.cases")

_MOST_LOOKED_AT = 500  # per run
# Closed cases, with the contact and the history.
CLOSED = Expired("closed cases", Case, lambda retention, now: Case.closed_on <= now - retention.cases)


def tidy(parts: WorkerParts) -> None:
    """Delete cases that were closed long ago."""
    in_turns(parts, CLOSED.step(parts.settings.retention))


def look(parts: WorkerParts) -> None:
    """Look at the cases that are due, each in a transaction of its own."""
    now = parts.clock.now()
    # A clock that was wrong may have put the next look far off.
    due = or_(Case.look_at <= now, Case.look_at > now + 2 * LOOKS)
    with parts.db.read() as session:
        numbers = session.scalars(select(Case.number).where(due).limit(_MOST_LOOKED_AT)).all()
    for number in numbers:
        if parts.stopping():
            return
        if _advance(parts, number) and _close_elsewhere(parts, number):
            _advance(parts, number, closed_elsewhere=True)


def _advance(parts: WorkerParts, number: str, *, closed_elsewhere: bool = False) -> bool:
    with parts.db.write() as session:
        now = parts.clock.now()
        try:
            row, record = records.locked(session, parts.vault, number)
        except CaseUnknown:
            return False
        except CaseAltered:
            row = session.get_one(Case, number)
            row.look_at = next_look(now)
            log.error(
                "cases: what a case holds does not decrypt, so it stands still; find it with: "
                "portal cases list"
            )
            return False
        return steps.advance(session, parts, row, record, now, closed_elsewhere=closed_elsewhere)


def _close_elsewhere(parts: WorkerParts, number: str) -> bool:
    """Close the password in the company's store and end the sessions there; return whether it is done.

    A repetition is harmless: at the next look it is tried again.
    """
    try:
        with parts.db.read() as session:
            record = records.record_of(parts.vault, session.get_one(Case, number))
            entry = state.entry(session, parts.vault, bytes.fromhex(record.account))
        store = external_store(parts.settings)

        def keep(closed: Mapping[str, bytes]) -> None:
            by_account = {
                state.account_id(parts.vault, store.name, one): kept for one, kept in closed.items()
            }
            with parts.db.write() as session:
                state.keep_closed(session, parts.vault, by_account)

        if store.capabilities.require_change:
            store.require_change([entry.id], keep)
        if store.capabilities.end_sessions:
            store.end_sessions([entry.id])
    except (StoreUnavailable, OutcomeUnknown, StoreFault) as error:
        log.warning(
            "cases: the company's store could not lock an account (%s); it is asked again in an hour", error
        )
        return False
    except (AccountMissing, VaultError, CaseAltered):
        log.error("cases: the account of a case was tampered with; it waits, close it")
        return False
    return True


def pressed(session: Session, request: Request, now: datetime, parts: WorkerParts) -> Outcome:
    """Act on a mailed link that was pressed: the new address is confirmed, or an old one stops the case.

    The token says which case: nobody else can make one. A stop is a link that was used (`intake.any_spent`).
    """
    try:
        _id, private = replies.private(session, parts.vault, request.purpose, request.fields.get("token", ""))
        row, record = records.locked(session, parts.vault, str(private["case"]))
    except (LinkInvalid, VaultError, KeyError, CaseUnknown, CaseAltered):
        log.warning("cases: a press on a mailed link is dropped: its case is over, or a row was altered")
        return Outcome.ANSWERED
    if request.purpose == VERIFY:
        steps.verify(session, parts.vault, row.number, record, now)
    steps.advance(session, parts, row, record, now)  # a store is asked at the next look
    return Outcome.ANSWERED


def before_reset(session: Session, mail: LeavingMail, now: datetime, parts: WorkerParts) -> Handover:
    """Let the link to a new password begin to live as its mail leaves, however long that waited."""
    if replies.extend(session, mail.id, now, RENEWABLE_FOR):
        return Handover.SEND
    try:
        _row, record = records.locked(session, parts.vault, str(mail.fields["case"]))
        account_id = bytes.fromhex(record.account)
        account = state.of_store(session, account_id, parts.settings.identity.store)
        profile = state.owner(session, parts.vault, account_id)
    except (CaseUnknown, CaseAltered, AccountMissing, VaultError, ValueError):
        return Handover.DROP
    if account is None or not account.must_reset or mail.address != record.new:
        return Handover.DROP
    mailing.prepare_reset(session, parts.vault, mail.id, record, account, profile, now)
    return Handover.RENEW


def _before_link(lifetime: timedelta) -> BeforeHandover:
    """Return what lets a link begin to live as its mail leaves; without one its case is over."""

    def before(session: Session, mail: LeavingMail, now: datetime, _parts: WorkerParts) -> Handover:
        return Handover.SEND if replies.extend(session, mail.id, now, lifetime) else Handover.DROP

    return before


HANDLERS: dict[str, Handler] = {VERIFY: pressed, STOP: pressed}
BEFORE_HANDOVER: dict[str, BeforeHandover] = {
    CaseVerify.name: _before_link(mailing.VERIFY_FOR),
    CaseNotice.name: _before_link(mailing.STOP_FOR),
    CaseReset.name: before_reset,
}
