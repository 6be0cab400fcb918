"""Work through a cohort in short turns: close what is open, count it, and mail its owners."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from enum import Enum

from sqlalchemy.orm import Session

from portal.accounts import service as accounts
from portal.identity import state
from portal.identity.account import Account
from portal.reset.models import Requirement
from portal.reset.require import jobs
from portal.reset.require.cohorts import EVERYONE, PAGE, Cohort, Owner, Step, Tools
from portal.reset.require.jobs import Tally
from portal.reset.require.mailing import Recipient, mail_owners
from portal.reset.service import REASON_EVERYONE, REASON_EXPOSED
from portal.runtime.turns import Turns

log = logging.getLogger("portal.reset")

Progress = Callable[[int], None]


class State(Enum):
    """An account's state in a job: to be required now, required before, or renewed through a mailed link."""

    NEWLY = "newly"
    ALREADY = "already"
    RENEWED = "renewed"


def state_of(account: Account, since: datetime) -> State:
    """Return an account's state in a job; `since` is when a new password begins to count as renewed."""
    if account.must_reset:
        return State.ALREADY
    # Not `password_changed_at`: a thief with the exposed password could have changed it. A choice through a
    # mailed link did not rely on that password.
    if account.chosen_by_mail_at is not None and account.chosen_by_mail_at >= since:
        return State.RENEWED
    return State.NEWLY


def require(tools: Tools, cohort: Cohort, progress: Progress) -> Tally:
    """Close the old password of every account in the cohort and mail each owner once.

    Each turn locks the job's row and moves its cursor in the transaction that closes, counts and mails. So a
    restarted command goes on where the last one stopped, parallel commands share the work, and the counts are
    those of what was done. Raises what `cohort.page` raises; run it again then.
    """
    job_id, since = jobs.start(tools, cohort)
    turns, tampered = Turns(tools.db), 0
    while True:
        with tools.db.read() as session:
            cursor = jobs.cursor_of(session, job_id)
        page = cohort.page(tools, cursor)
        if not page:
            break
        while page:
            # Where nobody waits for the lock, a page is a turn.
            turn = page[: turns.rows if tools.db.is_sqlite else PAGE]
            with turns.take() as session:
                job = jobs.locked(session, job_id)
                if job.cursor != cursor:
                    break  # another command has done these
                advance(session, tools, job, turn, since)
            cursor = turn[-1].cursor
            page = page[len(turn) :]
            tampered += sum(step.tampered for step in turn)
            progress(sum(step.people for step in turn))
    if tampered:
        log.error(
            "reset: list version %s of %s has tampered rows, skipped: %d; import the list again, "
            "activate it, and run the command again",
            cohort.list_version,
            cohort.subject,
            tampered,
        )
    return jobs.finish(tools, job_id)


def advance(session: Session, tools: Tools, job: Requirement, steps: Sequence[Step], since: datetime) -> None:
    """Close, count and mail what some steps lead to, and move the job's cursor behind them."""
    owners = owners_of(steps)
    found = state.get_many(session, sorted(owners), for_update=True)
    states = {account: state_of(row, since) for account, row in found.items()}
    first = jobs.count_once(session, tools.vault, job, states)
    reason = REASON_EVERYONE if job.subject == EVERYONE else REASON_EXPOSED
    still_open = [account for account, now in states.items() if now is State.NEWLY]
    closed = tools.store.require_reset(session, still_open, reason, job.started_at)
    accounts.end_all_sessions(session, closed)
    job.newly += len(first.intersection(closed))
    job.already += sum(states[account] is State.ALREADY for account in first)
    job.renewed += sum(states[account] is State.RENEWED for account in first)
    job.people += sum(step.people for step in steps)
    altered = {account for step in steps for account in step.altered}
    job.altered += len(jobs.count_once(session, tools.vault, job, altered, altered=True))
    recipients = (
        _recipient(owners[account], replace(found[account], version=found[account].version + 1))
        for account in closed
    )
    job.mails += mail_owners(session, tools.vault, job, filter(None, recipients))
    job.cursor = steps[-1].cursor


def owners_of(steps: Sequence[Step]) -> dict[bytes, Owner]:
    """Return the owners by account; several people may share one, of whom one has a locale."""
    owners: dict[bytes, Owner] = {}
    for owner in (owner for step in steps for owner in step.owners):
        known = owners.get(owner.account.id)
        if known is None or not known.locale:
            owners[owner.account.id] = owner
    return owners


def _recipient(owner: Owner, account: Account) -> Recipient | None:
    if owner.account.profile is None:
        # A tampered row must not keep the others from their mails.
        log.error(
            "reset: profile of account %s does not decrypt, password locked but owner not mailed; "
            "restore it with: portal accounts import FILE. The owner can then request a link at /reset/",
            account.id.hex(),
        )
        return None
    return Recipient(account, owner.account.profile, owner.locale)
