"""Close passwords in the company's own store, outside any transaction, and wait while it is away."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from portal.identity import state
from portal.identity.account import Profile
from portal.identity.ports import Entry, OutcomeUnknown, StoreUnavailable
from portal.reset.require import jobs
from portal.reset.require.cohorts import Owner, Step, Tools
from portal.reset.require.states import State, owners_of, state_of
from portal.runtime.turns import Turns

log = logging.getLogger("portal.reset")

FIRST_PAUSE = 2.0
LONGEST_PAUSE = 60.0

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Place:
    """Where a job is: what it does is another command's once its cursor is not `cursor` any more."""

    job_id: bytes
    cursor: bytes
    since: datetime


def close(tools: Tools, turns: Turns, steps: Sequence[Step], place: Place) -> Mapping[bytes, Profile] | None:
    """Close in the company's store what is open as far as the portal knows; return whose it is, by account.

    None means that the builtin store is in use, which closes in the transaction that counts. Here the store
    comes first: a command that is killed afterwards closes the same accounts again, which is harmless,
    whereas an account that the portal took for closed would stay open for ever. Raises StoreFault.
    """
    store = tools.store
    if store is None:
        return None
    owners = owners_of(steps)
    tried: dict[bytes, Profile] = {}

    def close_open() -> None:
        # Looked up anew at each attempt: while the store was away, somebody may have chosen a new password.
        entries = _open(tools, owners, place)
        if not entries:
            return
        with turns.take() as session:
            profiles = state.ensure_many(session, tools.vault, store.name, entries)
        try:
            store.require_change([entries[account].id for account in profiles], keep)
        except OutcomeUnknown:
            tried.update(profiles)
            raise
        tried.update(profiles)

    def keep(closed: Mapping[str, bytes]) -> None:
        by_account = {state.account_id(tools.vault, store.name, one): kept for one, kept in closed.items()}
        with tools.db.write() as session:
            state.keep_closed(session, tools.vault, by_account)

    until_answered(tools, close_open)
    if tried and store.capabilities.end_sessions:
        ids = [entry.id for account in tried if (entry := owners[account].entry)]
        until_answered(tools, lambda: store.end_sessions(ids))
    return tried


def _open(tools: Tools, owners: Mapping[bytes, Owner], place: Place) -> dict[bytes, Entry]:
    """Return the accounts of a turn whose passwords are open; none where another command has done it."""
    with tools.db.read() as session:
        if jobs.cursor_of(session, place.job_id) != place.cursor:
            return {}
        known = state.get_many(session, owners)
    return {
        account: owner.entry
        for account, owner in owners.items()
        if owner.entry and (account not in known or state_of(known[account], place.since) is State.NEWLY)
    }


def until_answered(tools: Tools, call: Callable[[], Answer]) -> Answer:
    """Return what a repeatable call of the company's store returns, which is tried until it answers.

    Raises what a repetition does not mend, such as StoreFault.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            return call()
        except StoreUnavailable as error:
            why = f"cannot be reached ({error})"
        except OutcomeUnknown as error:
            why = f"did not say what it has done ({error})"
        log.warning(
            "reset: the company's store %s; trying again in %d seconds, and until it answers. Nothing is "
            "lost if you stop: the same command goes on later",
            why,
            pause,
        )
        tools.pause(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
