"""Worker jobs of the builtin store: encrypt old password hashes, and count the Argon2 parameters in use."""

import logging

from sqlalchemy import select

from portal.audit import service as audit
from portal.crypto import self_test
from portal.identity import hashes
from portal.identity.builtin import BuiltinStore
from portal.identity.service import store_for
from portal.runtime.parts import WorkerParts
from portal.web import limits

log = logging.getLogger("portal.identity")

COUNT_LIMIT = "1 per day"
BATCH = 500  # accounts per transaction, which keeps the write lock short
TURNS = 20  # per run: other scheduled jobs wait meanwhile


def encrypt_hashes(parts: WorkerParts) -> None:
    """Encrypt the password hashes that earlier versions stored, 10,000 accounts a run, and resume anywhere.

    When none is left, no hash in the clear is accepted from then on: an account's row could hold another's.
    """
    for _ in range(TURNS):
        with parts.db.read() as session:
            if not hashes.plain_accepted(parts.vault, session.scalar(select(hashes.FINGERPRINT))):
                return
            rows = hashes.plain_rows(session, BATCH)
        if not rows:
            break
        if parts.stopping():
            return
        with parts.db.write_in_turn() as session:
            hashes.encrypt_rows(session, parts.vault, rows)
    else:
        return
    with parts.db.write() as session:
        if self_test.refuse_plain_hashes(session, parts.vault):
            audit.record(session, "accounts.hashes_encrypted", "accounts", {}, parts.clock.now())
            log.info("identity: every password hash is encrypted; now run: portal db vacuum")


def count_hash_costs(parts: WorkerParts) -> None:
    """Count the hashes' Argon2 parameters once a day: new passwords and rehashing change the distribution."""
    store = store_for(parts.settings)
    if not isinstance(store, BuiltinStore):
        return
    with parts.db.write() as session:
        turn = limits.hit(session, parts.vault, COUNT_LIMIT, "count hash shapes", now=parts.clock.now())
    if not turn.allowed:
        return
    with parts.db.read() as session:
        counted = store.count_argon2_params(session, parts.vault)
    with parts.db.write() as session:
        store.store_argon2_params(session, counted)
