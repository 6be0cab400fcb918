"""What staff do with a second person, by kind: the same for the console, which shows it, and the worker."""

from portal.staff.approvals.service import Action
from portal.staff.people import jobs as people

ACTIONS: dict[str, Action] = {**people.ACTIONS}
