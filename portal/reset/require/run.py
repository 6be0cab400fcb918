"""Work through a cohort in short turns: close what is open, count it, and mail its owners."""

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
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
    turns, tampered, ended = Turns(tools.db), 0, False
    while not ended:
        with tools.db.read() as session:
            cursor = jobs.cursor_of(session, job_id)
        with closing(_pages(tools, cohort, cursor)) as pages:
            for turn in _turns(tools, turns, pages):
                closed = elsewhere.close(tools, turns, turn, Place(job_id, cursor, since))
                with turns.take() as session:
                    job = jobs.locked(session, job_id)
                    if job.cursor != cursor:
                        break  # another command has done these
                    advance(session, tools, job, turn, since, closed)
                cursor = turn[-1].cursor
                tampered += sum(step.tampered for step in turn)
                progress(sum(step.people for step in turn))
            else:
                ended = True
    if tampered:
        log.error(
            "reset: list version %s of %s has tampered rows, skipped: %d; import the list again, "
            "activate it, and run the command again",
            cohort.list_version,
            cohort.subject,
            tampered,
        )
    return jobs.finish(tools, job_id)


def _pages(tools: Tools, cohort: Cohort, cursor: bytes) -> Generator[list[Step]]:
    """Yield the pages of steps behind a cursor. Raises what `cohort.page` and `cohort.check` raise.

    From PostgreSQL the next page is read and opened while the caller's turn waits for the database. On SQLite
    that would only hold its lock for longer, and a company's store is asked one thing at a time.
    """

    def read(after: bytes) -> list[Step]:
        return elsewhere.until_answered(tools, lambda: cohort.page(tools, after))

    if tools.db.is_sqlite or tools.store is not None:
        while page := read(cursor):
            yield page
            cursor = page[-1].cursor
        return
    with ThreadPoolExecutor(1, "pages") as ahead:
        following = ahead.submit(read, cursor)
        while page := following.result():
            following = ahead.submit(read, page[-1].cursor)
            cohort.check(tools)
            yield page


def _turns(tools: Tools, turns: Turns, pages: Iterable[list[Step]]) -> Iterator[list[Step]]:
    """Yield the steps of each turn: where nobody waits for the lock, a page."""
    for page in pages:
        done = 0
        while done < len(page):
            turn = page[done : done + (turns.rows if tools.db.is_sqlite else PAGE)]
            yield turn
            done += len(turn)


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
    altered = {account for step in steps for account in step.altered}
    newly_altered = jobs.count_once(session, tools.vault, job, altered, altered=True)
    recipients = (_recipient(owners[account], found[account]) for account in closed)
    job.mails += mail_owners(session, tools.vault, job, filter(None, recipients))
    # Together, and last: each statement after a change would write the row anew.
    job.newly += len(first.intersection(closed))
    others = first.difference(closed)
    renewed = sum(states[account] is State.RENEWED for account in others)
    job.renewed += renewed
    job.already += len(others) - renewed
    job.people += sum(step.people for step in steps)
    job.altered += len(newly_altered)
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
