"""The worker's scheduled work on the table of mails."""

from portal.kit.parts import WorkerParts
from portal.outbox import service


def tidy(parts: WorkerParts) -> None:
    """Repair due times that a wrong clock set, and blank the content of mails that ended long ago."""
    now = parts.clock.now()
    with parts.db.write() as session:
        service.mend_dates(session, now)
    with parts.db.write() as session:
        service.forget_payloads(session, now)
