"""What staff do with a second person, by kind: the same for the console, which shows it, and the worker."""

from portal.campaigns import orders as campaigns
from portal.console.uses import INCIDENT_USES
from portal.exposure import actions as lists
from portal.incidents.drafts import actions as incidents
from portal.reset.runs import jobs as resets
from portal.staff.approvals.service import Action
from portal.staff.people import jobs as people

ACTIONS: dict[str, Action] = {
    **people.ACTIONS,
    **incidents.actions(INCIDENT_USES),
    **lists.ACTIONS,
    **resets.ACTIONS,
    **campaigns.ACTIONS,
}
