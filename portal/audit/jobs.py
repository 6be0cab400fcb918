"""The worker's part in the log: its signature."""

import logging

from portal.audit import service
from portal.kit.parts import WorkerParts

log = logging.getLogger("portal.audit")


def sign_log(parts: WorkerParts) -> None:
    """Sign what was written since the last checkpoint, or say that the log is not whole.

    The worker's own log lies outside the database. What it says about a signature is all that tells a log that was
    replaced as a whole from the one that was written.
    """
    try:
        while not parts.stopping() and (signed := _sign(parts)) is not None:
            log.info("the audit log is signed up to entry %d: %s", signed.number, signed.digest)
    except service.ChainBroken as error:
        log.error("the audit log is not whole, so it is not signed: %s", error)  # noqa: TRY400 - the words say it all


def _sign(parts: WorkerParts) -> service.Mark | None:
    with parts.db.write() as session:
        return service.sign(session, parts.vault.audit_key, parts.clock.now())
