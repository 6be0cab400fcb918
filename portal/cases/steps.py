"""Lead a confirmed case on: wait until everyone was told and the time is over, then change the address.

Each step is one transaction, with its mails, so a worker that is killed goes on where the last one ended. The
wait is counted in looks: of the time between two of them at most two hours count, so that a clock that jumps
or a worker that was away never shortens the time in which somebody can stop it.
"""

import logging
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from portal.accounts import service as sessions
from portal.accounts.address import service as addresses
from portal.accounts.address import telling
from portal.accounts.factors import service as factors
from portal.cases import mailing, records
from portal.cases.models import Case
from portal.cases.sealed import Record, State
from portal.core.addresses import sign_in_name
from portal.core.clock import start_of_day
from portal.crypto.vault import VaultError, WorkerVault
from portal.identity import state
from portal.identity.account import Account, AccountMissing, Profile
from portal.identity.builtin.models import STORE as BUILTIN
from portal.identity.builtin.store import BuiltinStore
from portal.intake import service as intake
from portal.reset.service import REASON_REPORTED
from portal.runtime.parts import WorkerParts

log = logging.getLogger("portal.cases")

# Looks are about an hour apart.
MOST_COUNTED = timedelta(hours=2)
# Why a case stopped; stored in its record.
BY_LINK, IN_USE, TAKEN = "an old address", "the account was used", "the new address is taken"


def advance(
    session: Session,
    parts: WorkerParts,
    row: Case,
    record: Record,
    now: datetime,
    *,
    closed_elsewhere: bool = False,
) -> bool:
    """Do what is due for a locked case and store it. Return whether the company's store must act first.

    Call it again then, with `closed_elsewhere`, once the store has closed the password.
    """
    waits_for_store = False
    vault, cooling = parts.vault, parts.settings.accounts.case_cooling
    if record.state is State.CLOSED:
        return False
    if record.state is State.CONFIRMED:
        _count_wait(session, vault, record, now)
        if intake.any_spent(session, _ids(record.notices)):
            stop(session, vault, row.number, record, BY_LINK, now)
        elif not record.verified_at and _verification_over(session, vault, record, now):
            mailing.end_links(session, vault, record)
            record.state = State.UNVERIFIED
            records.write_audit(session, vault, "unverified", row.number, now)
        elif record.verified_at and record.cooled >= cooling.total_seconds():
            waits_for_store = _finish(
                session, parts, row.number, record, now, closed_elsewhere=closed_elsewhere
            )
    records.store(row, vault, record, cooling, now)
    return waits_for_store


def verify(session: Session, vault: WorkerVault, number: str, record: Record, now: datetime) -> None:
    """Note that the new address was confirmed, unless the case was stopped or is over."""
    if record.state is not State.CONFIRMED or record.verified_at:
        return
    if intake.any_spent(session, _ids(record.notices)):
        return
    record.verified_at = now.isoformat(timespec="seconds")
    records.write_audit(session, vault, "verify", number, now)


def stop(session: Session, vault: WorkerVault, number: str, record: Record, why: str, now: datetime) -> None:
    """Stop a case; nothing of the account changes, and only staff can close it."""
    mailing.end_links(session, vault, record)
    record.state, record.stopped_why = State.STOPPED, why
    record.stopped_at = now.isoformat(timespec="seconds")
    records.write_audit(session, vault, "stop", number, now)


def _count_wait(session: Session, vault: WorkerVault, record: Record, now: datetime) -> None:
    """Begin to count once every notice has left, or never will; then add the time since the last look."""
    if record.seen_at:
        passed = now - datetime.fromisoformat(record.seen_at)
        record.cooled += int(min(max(passed, timedelta()), MOST_COUNTED).total_seconds())
    elif not all(mailing.state_of(session, vault, one) in mailing.LEFT for one in record.notices):
        return
    record.seen_at = now.isoformat(timespec="seconds")


def _verification_over(session: Session, vault: WorkerVault, record: Record, now: datetime) -> bool:
    """Return whether the new address cannot be confirmed any more; a press that waits is not too late."""
    ends = intake.link_ends(session, bytes.fromhex(record.verification))
    over = ends is None or (ends[0] <= now and not ends[1])
    return over or mailing.state_of(session, vault, record.verification) in mailing.NEVER_ARRIVED


def _finish(
    session: Session,
    parts: WorkerParts,
    number: str,
    record: Record,
    now: datetime,
    *,
    closed_elsewhere: bool,
) -> bool:
    """Change the address and require a new password, or stop where the account shows that this is wrong."""
    account_id, vault, settings = bytes.fromhex(record.account), parts.vault, parts.settings
    account = state.get_many(session, [account_id], for_update=True).get(account_id)
    try:
        profile = state.owner(session, vault, account_id)
    except (AccountMissing, VaultError):
        account, profile = None, Profile("")
    if account is None or account.store != settings.identity.store:
        log.error("cases: the account of a case is gone or was tampered with; it waits, close it")
        return False
    if _is_in_use(session, account, profile, record):
        stop(session, vault, number, record, IN_USE, now)
        return False
    if account.store == BUILTIN:
        try:
            account, profile = _move(session, parts, account_id, record, now)
        except addresses.AddressTaken:
            stop(session, vault, number, record, TAKEN, now)
            return False
    elif not closed_elsewhere:
        return True
    account = _require(session, account, now)
    if record.remove_factors:
        factors.remove_all(session, account_id)
    sessions.end_sessions(session, account_id)
    mailing.mail_reset(session, vault, settings, number, record, account, profile, now)
    mailing.end_links(session, vault, record)
    record.state, record.changed_at = State.CHANGED, now.isoformat(timespec="seconds")
    records.write_audit(session, vault, "change", number, now)
    return False


def _is_in_use(session: Session, account: Account, profile: Profile, record: Record) -> bool:
    """Return whether its owner reaches the old address after all, or it is another one by now.

    A password chosen through a mailed link says so. Only its day is stored: on the day of the confirmation
    the account's version tells what came after it.
    """
    if sign_in_name(profile.address) != sign_in_name(record.old) or addresses.restoring(session, account.id):
        return True
    day, chosen = start_of_day(datetime.fromisoformat(record.confirmed_at)), account.chosen_by_mail_at
    return account.version != record.version and chosen is not None and chosen >= day


def _move(
    session: Session, parts: WorkerParts, account_id: bytes, record: Record, now: datetime
) -> tuple[Account, Profile]:
    """Give the account its new address: the old one is told, and can undo it for a week."""
    changed = addresses.change(session, parts.vault, account_id, record.new, now)
    telling.tell_changed(session, parts, changed, changed.profile.language or record.language, now)
    return changed.account, changed.profile


def _require(session: Session, account: Account, now: datetime) -> Account:
    """Close the password until one is chosen through a mailed link: no passkey leads around that."""
    require = BuiltinStore().require_reset if account.store == BUILTIN else state.require
    if not require(session, [account.id], REASON_REPORTED, now):
        state.end_all(session, [account.id], reset_reason=REASON_REPORTED)
    after = state.get(session, account.id)
    if after is None:
        raise AccountMissing
    return after


def _ids(row_ids: list[str]) -> list[bytes]:
    return [bytes.fromhex(one) for one in row_ids]
