"""The worker's handlers of everything that the console orders."""

from portal.campaigns import orders as campaigns
from portal.checklist import jobs as checklist
from portal.checklist.proofs import jobs as proofs
from portal.console.mail import jobs as mail
from portal.console.settings import jobs as settings
from portal.console.uses import INCIDENT_USES
from portal.exposure.uploads import orders as lists
from portal.incidents.drafts import actions as incidents
from portal.reset.runs import jobs as resets
from portal.runtime.parts import SealedHandler
from portal.staff.approvals import jobs as approvals
from portal.staff.orders import handlers
from portal.staff.people import jobs as people
from portal.staff.sign_in import jobs as sign_in

SEALED: dict[str, SealedHandler] = {
    **sign_in.SEALED,
    **handlers(approvals.ORDERS),
    **handlers(people.ORDERS),
    **handlers(incidents.orders(INCIDENT_USES)),
    **handlers(campaigns.ORDERS),
    **handlers(mail.ORDERS),
    **handlers(checklist.ORDERS),
    **handlers(proofs.ORDERS),
    **handlers(lists.ORDERS),
    **handlers(resets.ORDERS),
    **handlers(settings.ORDERS),
}
