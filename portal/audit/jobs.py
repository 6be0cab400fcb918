"""Scheduled jobs: sign new entries of the audit log, and verify the whole log daily."""

import logging

from portal.audit import service
from portal.runtime.parts import WorkerParts
from portal.web import limits

VERIFIED_EVERY = "1 per day"
SEE = "run portal audit verify"

log = logging.getLogger("portal.audit")


def sign_log(parts: WorkerParts) -> None:
    """Sign the entries since the last checkpoint; log an error if the chain is broken.

    The worker's journal lies outside the database: only its lines about signatures show that the whole audit
    log was replaced.
    """
    try:
        while not parts.stopping():
            with parts.db.write() as session:
                signed = service.sign(session, parts.vault.audit_key, parts.clock.now())
            if signed is None:
                break
            log.info("audit: the audit log is signed up to entry %d: %s", signed.number, signed.digest)
    except service.ChainBroken as error:
        log.error("audit: the audit log does not verify, so it is not signed: %s; %s", error, SEE)


def verify(parts: WorkerParts) -> None:
    """Verify the whole log once a day, since signing reads new entries only."""
    now = parts.clock.now()
    with parts.db.write() as session:
        if not limits.hit(session, parts.vault, VERIFIED_EVERY, "verify the log", now=now).allowed:
            return
    try:
        with parts.db.snapshot() as session:
            service.verify(session, parts.vault.audit_key)
    except service.ChainBroken as error:
        log.error("audit: the audit log does not verify: %s; %s", error, SEE)
