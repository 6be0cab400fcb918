"""Count what a job would do, without writing anything into the database."""

import sqlite3
from contextlib import closing

from portal.core.db import new_id
from portal.identity import state
from portal.identity.account import Account
from portal.reset.require import jobs
from portal.reset.require.cohorts import EVERYONE, Cohort, Tools
from portal.reset.require.elsewhere import until_answered
from portal.reset.require.jobs import Tally
from portal.reset.require.run import Progress
from portal.reset.require.states import State, owners_of, state_of


def preview(tools: Tools, cohort: Cohort, progress: Progress) -> Tally:
    """Return what `require` would return now. Raises what `cohort.page` raises."""
    with tools.db.read() as session:
        job = jobs.unfinished(session, tools, cohort)
        since = jobs.first_required(session, cohort, job) or tools.clock.now()
    job_id = job.id if job else new_id()
    cursor = job.cursor if job else b""
    tally = jobs.tally_of(job) if job else Tally()
    # A file of this process alone, already deleted: in memory it would grow with the list.
    with closing(sqlite3.connect("")) as seen:
        seen.execute("CREATE TABLE counted (key BLOB PRIMARY KEY) WITHOUT ROWID")

        def first(keys: dict[bytes, bytes]) -> list[bytes]:
            return [
                account
                for key, account in keys.items()
                if seen.execute("INSERT OR IGNORE INTO counted VALUES (?)", (key,)).rowcount
            ]

        while page := until_answered(tools, lambda: cohort.page(tools, cursor)):  # noqa: B023 - called at once
            owners = owners_of(page)
            altered = {account for step in page for account in step.altered}
            with tools.db.read() as session:
                found = state.get_many(session, sorted(owners))
                if tools.store is not None:  # nothing is known yet of one that has no row
                    found = {account: Account(account, tools.store.name) for account in owners} | found
                keys = jobs.not_counted(session, tools.vault, job_id, found)
                keys_altered = jobs.not_counted(session, tools.vault, job_id, altered, altered=True)
            for account in first(keys):
                now = state_of(found[account], since)
                tally.newly += now is State.NEWLY
                tally.already += now is State.ALREADY
                tally.renewed += now is State.RENEWED
                tally.mails += now is State.NEWLY and owners[account].account.profile is not None
            tally.altered += len(first(keys_altered))
            tally.people += sum(step.people for step in page)
            cursor = page[-1].cursor
            progress(sum(step.people for step in page))
    tally.accounts = tally.newly + tally.already + tally.renewed
    if cohort.subject == EVERYONE:
        tally.people = tally.accounts
    return tally
