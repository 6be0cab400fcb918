"""The worker's scheduled work on saved settings: forget what nobody saved, and look for altered rows."""

import logging
from datetime import timedelta

from portal.runtime.parts import WorkerParts
from portal.site.saved import service

log = logging.getLogger("portal.site")

UNNAMED = timedelta(days=1)


def tidy(parts: WorkerParts) -> None:
    """Delete contents that no change named within a day; say which rows somebody else wrote."""
    before = parts.clock.now() - UNNAMED
    with parts.db.read() as session:
        numbers = service.altered(session, parts.vault)
        unnamed = service.unnamed(session, before)
    for number in numbers:
        log.error(
            "settings: change %d was inserted or altered without the worker's keys, so it counts for "
            "nothing; find out who can write to the database",
            number,
        )
    if unnamed:
        with parts.db.write() as session:
            service.forget_contents(session, service.unnamed(session, before))
