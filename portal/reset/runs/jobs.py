"""The worker's side of required resets: begin a count; have the reset done that a second person approved."""

from collections.abc import Mapping
from typing import Any

from portal.identity import registry
from portal.reset.require.cohorts import EVERYONE
from portal.reset.runs import service
from portal.runtime.parts import WorkerParts
from portal.staff.approvals.service import Action, needs_unchanged
from portal.staff.orders import Acting, Order, Refused
from portal.staff.roles import Role

ASKS = frozenset({Role.AUTHOR, Role.PRIVACY, Role.ADMIN})
SEES = ASKS | {Role.APPROVER}


def count(parts: WorkerParts, _acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Begin to count what a reset would do. Fields: subject, a slug or empty for everyone."""
    if not registry.capabilities(parts.settings).require_change:
        raise Refused("reset-store")
    subject = fields["subject"] or EVERYONE
    with parts.db.write() as session:
        run = service.begin(session, parts.vault, subject, 0, parts.clock.now())
        return {"run": run.id.hex()}


def perform(parts: WorkerParts, fields: Mapping[str, str], shown: Mapping[str, Any]) -> dict[str, Any]:
    """Have the worker's long work do what was counted; a second run, after a crash, changes nothing."""
    with parts.db.write() as session:
        if service.is_counted(session, parts.vault, fields):
            needs_unchanged(session, service.describe, fields, shown)
            service.approve(session, parts.vault, fields, parts.clock.now())
    return {"run": fields["run"]}


ORDERS = {"reset-count": Order(count, ASKS, counted=True)}
ACTIONS = {"reset.require": Action(service.describe, perform, ask=ASKS)}
