"""Who waits for whom: requests, those sent back or failed, paused notices, and late tasks of checklists."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.campaigns.series import progress
from portal.checklist import service as checklist
from portal.crypto.vault import ConsoleVault
from portal.incidents import service as incidents
from portal.incidents.models import Incident
from portal.staff.approvals import service as approvals
from portal.staff.approvals.models import Approval
from portal.staff.approvals.service import Action, State

# What was sent back, or cancelled, is said so long; a checklist goes on.
SENT_BACK_SHOWN = timedelta(days=14)
_LOOKED_AT = 200


class Why(StrEnum):
    """What somebody waits for."""

    APPROVER = "approver"
    PAUSED = "paused"
    VOID = "void"
    AUTHOR = "author"
    FAILED = "failed"
    OWNER = "owner"


@dataclass(frozen=True)
class Wait:
    """One thing that waits since a time: of an incident (its slug), or of none.

    `who` waits for an approver, has to ask again after an edit cancelled the request, must change what `by`
    sent back, asked for something that failed once it was approved, or is late with an `item`; without an
    owner that is nobody. A paused `notice` waits for any approver.
    """

    why: Why
    slug: str
    since: datetime
    who: bytes | None
    by: bytes | None = None
    approval: Approval | None = None
    item: str = ""
    notice: int = 0


def of_incidents(
    session: Session,
    vault: ConsoleVault,
    actions: Mapping[str, Action],
    open_ones: list[Incident],
    now: datetime,
) -> list[Wait]:
    """Return what waits, the oldest first within each kind; checklists of open incidents alone."""
    valid, void = approvals.by_validity(session, actions, approvals.waiting(session), now)
    asked = [
        Wait(why, approvals.subject_of(one), one.asked_at, one.asked_by, approval=one)
        for why, found in ((Why.VOID, void), (Why.APPROVER, valid))
        for one in found
        if why is not Why.VOID or one.asked_at > now - SENT_BACK_SHOWN
    ]
    late = [
        Wait(Why.OWNER, incident.slug, item.due_at, item.owner, item=item.name)
        for incident in open_ones
        for item in checklist.items(session, vault, incident)
        if item.late(now) and item.due_at is not None
    ]
    return [*_paused(session), *asked, *_to_ask_again(session, now), *sorted(late, key=lambda one: one.since)]


def _paused(session: Session) -> list[Wait]:
    """Return the notices that only an approver lets go on: nobody else is told of them."""
    found = []
    for one in progress.paused(session):
        slug = incidents.by_id(session, one.incident_id).slug
        entry = audit.newest_of(session, slug, ("campaigns.pause",))
        since = entry.at if entry is not None else one.begun_at or one.drafted_at
        found.append(Wait(Why.PAUSED, slug, since, None, notice=one.number))
    return found


def _to_ask_again(session: Session, now: datetime) -> list[Wait]:
    """Return what was sent back or failed, and not asked for again, nor for the same incident by anybody."""
    found, seen = [], set()
    for one in filter(approvals.readable, approvals.newest(session, _LOOKED_AT)):
        about = (one.kind, approvals.subject_of(one) or one.fields)
        if about in seen:
            continue
        seen.add(about)
        at = one.decided_at
        why = {State.SENT_BACK: Why.AUTHOR, State.FAILED: Why.FAILED}.get(State(one.state))
        if why is not None and at is not None and at > now - SENT_BACK_SHOWN:
            found.append(Wait(why, approvals.subject_of(one), at, one.asked_by, one.decided_by, one))
    return found[::-1]
