"""The worker's handlers of everything that the console orders."""

from portal.runtime.parts import SealedHandler
from portal.staff.approvals import jobs as approvals
from portal.staff.orders import handlers
from portal.staff.people import jobs as people
from portal.staff.sign_in import jobs as sign_in

SEALED: dict[str, SealedHandler] = {
    **sign_in.SEALED,
    **handlers(approvals.ORDERS),
    **handlers(people.ORDERS),
}
