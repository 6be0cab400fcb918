"""Worker jobs of the builtin store: encrypt old password hashes, inspect accounts, count hash costs."""

import logging

from sqlalchemy import select

from portal.audit import service as audit
from portal.crypto import self_test
from portal.identity.builtin import costs, hashes, references
from portal.identity.builtin.store import BuiltinStore
from portal.runtime.parts import WorkerParts
from portal.runtime.turns import TURNS, Turns
from portal.web import limits

log = logging.getLogger("portal.identity")

ONCE_A_DAY = "1 per day"
PAGE = 500  # accounts per read


def encrypt_hashes(parts: WorkerParts) -> None:
    """Encrypt the password hashes that earlier versions stored, 10,000 accounts a run, and resume anywhere.

    When none is left, no hash in the clear is accepted from then on: an account's row could hold another's.
    """
    turns = Turns(parts.db)
    for _ in range(TURNS):
        with parts.db.read() as session:
            if not hashes.plain_accepted(parts.vault, session.scalar(select(hashes.FINGERPRINT))):
                return
            rows = hashes.plain_rows(session, turns.rows)
        if not rows:
            break
        if parts.stopping():
            return
        with turns.take() as session:
            hashes.encrypt_rows(session, parts.vault, rows)
    else:
        return
    with parts.db.write() as session:
        if self_test.refuse_plain_hashes(session, parts.vault):
            audit.record(session, "accounts.hashes_encrypted", "accounts", {}, parts.clock.now())
            log.info("identity: every password hash is encrypted; now run: portal db vacuum")


def count_hash_costs(parts: WorkerParts) -> None:
    """Count accounts by the cost of their hashes once a day: what was tampered with moved no count."""
    store = _builtin_once_a_day(parts, "count hash shapes")
    if store is None:
        return
    counted = store.count_costs(parts.db, parts.vault)
    with parts.db.write() as session:
        costs.correct(session, counted)


def inspect(parts: WorkerParts) -> None:
    """Tell the operator once a day how many accounts were altered in the database.

    Pages and mails must not show it, nor a log line at the time: see `reset.jobs.answer`.
    """
    store = _builtin_once_a_day(parts, "inspect accounts")
    if store is None:
        return
    seen = altered = 0
    after: bytes | None = None
    while not parts.stopping():
        with parts.db.read() as session:
            count, wrong, after = store.count_altered(session, parts.vault, after, PAGE)
        seen, altered = seen + count, altered + wrong
        if after is None:
            break
    _inspect_references(parts)
    if altered:
        log.error(
            "identity: %d of %d accounts were altered in the database: they cannot sign in, or get no link "
            "for a new password; restore them with: portal accounts import FILE. Then find out who can write "
            "to the database",
            altered,
            seen,
        )


def _inspect_references(parts: WorkerParts) -> None:
    altered = 0
    after: references.Place | None = None
    while not parts.stopping():
        with parts.db.read() as session:
            wrong, after = references.count_altered(session, parts.vault, after, PAGE)
        altered += wrong
        if after is None:
            break
    if altered:
        log.error(
            "identity: %d customer numbers were altered in the database: a list that names people by them "
            "does not find their accounts; restore them with: portal accounts import FILE. Then find out who "
            "can write to the database",
            altered,
        )


def _builtin_once_a_day(parts: WorkerParts, job: str) -> BuiltinStore | None:
    """Return the builtin store if it is the one in use and `job` has not run today."""
    if parts.settings.identity.store != BuiltinStore.name:
        return None
    with parts.db.write() as session:
        turn = limits.hit(session, parts.vault, ONCE_A_DAY, job, now=parts.clock.now())
    return BuiltinStore() if turn.allowed else None
