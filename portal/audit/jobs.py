"""The worker's part in the log: its signature."""

import logging

from portal.audit import service
from portal.runtime.parts import WorkerParts
from portal.web import limits

VERIFIED_EVERY = "1 per day"

log = logging.getLogger("portal.audit")


def sign_log(parts: WorkerParts) -> None:
    """Sign what was written since the last checkpoint, or say that the log is not whole.

    The worker's own log lies outside the database. What it says about a signature is all that tells a log
    that was replaced as a whole from the one that was written.
    """
    try:
        while not parts.stopping() and (signed := _sign(parts)) is not None:
            log.info("the audit log is signed up to entry %d: %s", signed.number, signed.digest)
    except service.ChainBroken as error:
        log.error("the audit log is not whole, so it is not signed: %s", error)


def verify(parts: WorkerParts) -> None:
    """Walk the whole log once a day: to sign looks at new entries only."""
    now = parts.clock.now()
    with parts.db.write() as session:
        if not limits.hit(session, parts.vault, VERIFIED_EVERY, "verify the log", now=now).allowed:
            return
    try:
        with parts.db.snapshot() as session:
            service.verify(session, parts.vault.audit_key)
    except service.ChainBroken as error:
        log.error("the audit log is not whole: %s", error)


def _sign(parts: WorkerParts) -> service.Mark | None:
    with parts.db.write() as session:
        return service.sign(session, parts.vault.audit_key, parts.clock.now())
