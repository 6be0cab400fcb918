"""The worker's scheduled work on the table of mails."""

from portal.outbox import service
from portal.runtime.parts import WorkerParts


def tidy(parts: WorkerParts) -> None:
    """Repair due times that a wrong clock set, and blank the content of mails that ended long ago."""
    now = parts.clock.now()
    with parts.db.write() as session:
        service.mend_dates(session, now)
    with parts.db.write() as session:
        service.forget_payloads(session, now)
