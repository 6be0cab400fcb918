"""Work through a cohort in short turns: close what is open, count it, and mail its owners."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from portal.accounts import service as accounts
from portal.identity import state
from portal.identity.account import Account, Profile
from portal.identity.builtin.store import BuiltinStore
from portal.reset.models import Requirement
from portal.reset.require import elsewhere, jobs
from portal.reset.require.cohorts import EVERYONE, PAGE, Cohort, Owner, Step, Tools
from portal.reset.require.elsewhere import Place
from portal.reset.require.jobs import Tally
from portal.reset.require.mailing import Recipient, mail_owners
from portal.reset.require.states import State, owners_of, state_of
from portal.reset.service import REASON_EVERYONE, REASON_EXPOSED
from portal.runtime.turns import Turns

log = logging.getLogger("portal.reset")

Progress = Callable[[int], None]


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
        page = elsewhere.until_answered(tools, lambda: cohort.page(tools, cursor))  # noqa: B023 - called at once
        if not page:
            break
        while page:
            # Where nobody waits for the lock, a page is a turn.
            turn = page[: turns.rows if tools.db.is_sqlite else PAGE]
            closed = elsewhere.close(tools, turns, turn, Place(job_id, cursor, since))
            with turns.take() as session:
                job = jobs.locked(session, job_id)
                if job.cursor != cursor:
                    break  # another command has done these
                advance(session, tools, job, turn, since, closed)
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


def advance(
    session: Session,
    tools: Tools,
    job: Requirement,
    steps: Sequence[Step],
    since: datetime,
    elsewhere_closed: Mapping[bytes, Profile] | None = None,
) -> None:
    """Close, count and mail what some steps lead to, and move the job's cursor behind them.

    `elsewhere_closed` are accounts whose passwords the company's own store has just closed: all of them are
    required, also one whose owner chose anew at this moment, or a closed password would have no mail.
    """
    owners = owners_of(steps)
    found = state.get_many(session, sorted(owners), for_update=True)
    states = {account: state_of(row, since) for account, row in found.items()}
    first = jobs.count_once(session, tools.vault, job, states)
    reason = REASON_EVERYONE if job.subject == EVERYONE else REASON_EXPOSED
    if elsewhere_closed is None:
        still_open = [account for account, now in states.items() if now is State.NEWLY]
        closed = BuiltinStore().require_reset(session, still_open, reason, job.started_at)
    else:
        closed = state.require(session, list(elsewhere_closed), reason, job.started_at)
        owners = {account: _as_kept(owner, elsewhere_closed) for account, owner in owners.items()}
    accounts.end_all_sessions(session, closed)
    job.newly += len(first.intersection(closed))
    others = first.difference(closed)
    renewed = sum(states[account] is State.RENEWED for account in others)
    job.renewed += renewed
    job.already += len(others) - renewed
    job.people += sum(step.people for step in steps)
    altered = {account for step in steps for account in step.altered}
    job.altered += len(jobs.count_once(session, tools.vault, job, altered, altered=True))
    recipients = (_recipient(owners[account], found[account]) for account in closed)
    job.mails += mail_owners(session, tools.vault, job, filter(None, recipients))
    job.cursor = steps[-1].cursor


def _as_kept(owner: Owner, kept: Mapping[bytes, Profile]) -> Owner:
    """Return an owner with the language that they chose here, which the company's store does not know."""
    profile = kept.get(owner.account.id)
    return replace(owner, account=replace(owner.account, profile=profile)) if profile else owner


def _recipient(owner: Owner, before: Account) -> Recipient | None:
    if owner.account.profile is None:
        # A tampered row must not keep the others from their mails.
        log.error(
            "reset: profile of account %s does not decrypt, password locked but owner not mailed; "
            "restore it with: portal accounts import FILE. The owner can then request a link at /reset/",
            before.id.hex(),
        )
        return None
    account = replace(before, version=before.version + 1)
    return Recipient(account, owner.account.profile, owner.locale, owner.entry.id if owner.entry else "")
