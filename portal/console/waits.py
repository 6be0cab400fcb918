"""Who waits for whom: requests for a second person, those sent back, and what is late on a checklist."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from portal.checklist import service as checklist
from portal.crypto.vault import ConsoleVault
from portal.incidents.models import Incident
from portal.reset.models import ResetRun
from portal.staff.approvals import service as approvals
from portal.staff.approvals.models import Approval
from portal.staff.approvals.service import State

# What was sent back is said so long; a checklist goes on.
SENT_BACK_SHOWN = timedelta(days=14)
_LOOKED_AT = 200


class Why(StrEnum):
    """What somebody waits for."""

    APPROVER = "approver"
    AUTHOR = "author"
    OWNER = "owner"


@dataclass(frozen=True)
class Wait:
    """One thing that waits since a time: of an incident (its slug), or of none.

    `who` waits for an approver, must change what `by` sent back, or is late with an `item`; without an owner
    that is nobody.
    """

    why: Why
    slug: str
    since: datetime
    who: bytes | None
    by: bytes | None = None
    approval: Approval | None = None
    item: str = ""


def of_incidents(
    session: Session, vault: ConsoleVault, open_ones: list[Incident], now: datetime
) -> list[Wait]:
    """Return what waits, the oldest first within each kind; checklists of open incidents alone."""
    asked = [
        Wait(Why.APPROVER, slug_of(session, one), one.asked_at, one.asked_by, approval=one)
        for one in approvals.waiting(session)
    ]
    late = [
        Wait(Why.OWNER, incident.slug, item.due_at, item.owner, item=item.name)
        for incident in open_ones
        for item in checklist.items(session, vault, incident)
        if item.late(now) and item.due_at is not None
    ]
    return [*asked, *_sent_back(session, now), *sorted(late, key=lambda one: one.since)]


def slug_of(session: Session, approval: Approval) -> str:
    """Return the slug of the incident that a request is about; empty where it is about none."""
    fields = json.loads(approval.fields)
    if approval.kind == "reset.require":
        try:
            run = session.get(ResetRun, bytes.fromhex(fields["run"]))
        except ValueError:
            run = None
        return run.subject if run else ""
    return str(fields.get("slug") or fields.get("incident") or "")


def _sent_back(session: Session, now: datetime) -> list[Wait]:
    """Return what was sent back and not asked for again, nor for the same incident by anybody."""
    found, seen = [], set()
    for one in approvals.newest(session, _LOOKED_AT):
        about = (one.kind, slug_of(session, one) or one.fields)
        if about in seen:
            continue
        seen.add(about)
        at = one.decided_at
        if one.state == State.SENT_BACK and at is not None and at > now - SENT_BACK_SHOWN:
            slug = slug_of(session, one)
            found.append(Wait(Why.AUTHOR, slug, at, one.asked_by, one.decided_by, one))
    return found[::-1]
