"""Wrap fast digests in Argon2id before they are stored, on all cores, behind everything else that runs.

Without a hash slot: an import wraps for hours, and people sign in meanwhile. So each thread takes the lowest
priority, and each core hashes at most once at a time.
"""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Self

from portal.core import priority
from portal.core.db import Database
from portal.crypto.formats import registry
from portal.crypto.formats.layouts import Digest, Layout
from portal.crypto.hashing import Hasher, unset_hash
from portal.crypto.vault import WorkerVault
from portal.identity.builtin import adding
from portal.identity.builtin.adding import NewAccount

log = logging.getLogger("portal.import")

_HOUR, _MINUTE = 3600, 60


class Wrapping:
    """Threads that wrap; as a context manager it ends them, and forgets what they have not begun."""

    def __init__(self, db: Database, vault: WorkerVault, hasher: Hasher, layout: Layout | None) -> None:
        """Start no thread yet; `layout` is what the operator declared of plain digests."""
        self._db, self._vault, self._hasher, self._layout = db, vault, hasher, layout
        self._threads = ThreadPoolExecutor(_cores(), initializer=priority.lower)

    def wrap(self, accounts: Sequence[NewAccount]) -> list[NewAccount]:
        """Return the accounts with their digests wrapped: of those that lack a password, and no others.

        Existing accounts keep theirs, so that a repeated import wraps only what the first did not store.
        """
        digests = {
            place: digest for place, account in enumerate(accounts) if (digest := self._digest_of(account))
        }
        if not digests:
            return list(accounts)
        with self._db.read() as session:
            lacking = adding.without_password(session, self._vault, [accounts[place] for place in digests])
        wanted = [
            place
            for place in digests
            if self._vault.account_index(accounts[place].profile.address) in lacking
        ]
        wrapped = dict(
            zip(wanted, self._threads.map(self._hasher.wrap, map(digests.get, wanted)), strict=True)
        )
        nothing = unset_hash(self._hasher.argon2_params)
        return [
            replace(account, password_hash=wrapped.get(place, nothing)) if place in digests else account
            for place, account in enumerate(accounts)
        ]

    def _digest_of(self, account: NewAccount) -> Digest | None:
        found = registry.identify(account.password_hash, self._layout)
        return found.digest if found else None

    def __enter__(self) -> Self:
        """Return the threads."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the threads after the hash that each is at."""
        self._threads.shutdown(cancel_futures=True)


def log_estimate(digests: int, hasher: Hasher) -> None:
    """Log how long it takes to wrap this many digests, if there are any."""
    if digests:
        cores = _cores()
        log.info(
            "import: up to %d fast digests are to be wrapped in Argon2id, %s on %d cores at the lowest "
            "priority; it may be stopped with Ctrl-C, and the same command goes on from there",
            digests,
            _readable(digests * hasher.seconds / cores),
            cores,
        )


def _readable(seconds: float) -> str:
    if seconds >= _HOUR:
        return f"about {seconds / _HOUR:.1f} hours"
    return f"about {seconds / _MINUTE:.0f} minutes" if seconds >= _MINUTE else "less than a minute"


def _cores() -> int:
    return len(os.sched_getaffinity(0))
