"""What features above the incidents keep of one: for the commands, the console and its orders."""

from collections.abc import Callable
from dataclasses import replace
from time import monotonic

from sqlalchemy.orm import Session

from portal.campaigns import service as campaigns_service
from portal.exposure import service as exposure_service
from portal.runtime.parts import IncidentUses
from portal.subscriptions import service as subscriptions_service

INCIDENT_USES = IncidentUses(
    subscribers=subscriptions_service.count,
    lists=lambda session, incident_id: len(exposure_service.versions(session, incident_id)),
    forget_update=subscriptions_service.forget_update,
    notices=campaigns_service.unsent,
    forget_notices=campaigns_service.forget_words,
    carrying=campaigns_service.carrying,
)


def remembered(uses: IncidentUses, seconds: float, now: Callable[[], float] = monotonic) -> IncidentUses:
    """Return the same, but count an incident's subscribers at most every so many seconds.

    Pages show the number, and counting a million takes a second. What may be mailed is counted when it is.
    """
    counted: dict[bytes, tuple[float, int]] = {}

    def subscribers(session: Session, incident_id: bytes) -> int:
        at, number = counted.get(incident_id, (0.0, 0))
        if incident_id not in counted or now() - at >= seconds:
            number = uses.subscribers(session, incident_id)
            counted[incident_id] = now(), number
        return number

    return replace(uses, subscribers=subscribers)
