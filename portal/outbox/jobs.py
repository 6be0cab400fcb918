"""Scheduled jobs on the outbox table."""

from portal.outbox import service
from portal.runtime.parts import WorkerParts
from portal.runtime.turns import in_turns


def tidy(parts: WorkerParts) -> None:
    """Reset due times set by a wrong clock, and blank the payload of mails that ended over 30 days ago."""
    in_turns(parts, service.reset_future_dates, service.blank_old_payloads)
