"""Scheduled jobs on the outbox table."""

from portal.outbox import service
from portal.runtime.parts import WorkerParts


def tidy(parts: WorkerParts) -> None:
    """Reset due times set by a wrong clock, and blank the payload of mails that ended over 30 days ago."""
    now = parts.clock.now()
    with parts.db.write() as session:
        service.reset_future_dates(session, now)
    with parts.db.write() as session:
        service.blank_old_payloads(session, now)
