"""What features above the incidents keep of one: for the commands, the console and its orders."""

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
)
