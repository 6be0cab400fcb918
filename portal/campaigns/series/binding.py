"""Bind a notice to who is left out: what a second person approved is not changed by one person afterwards.

A draft whose people changed cannot start. A notice that goes out pauses itself, and goes on once an approver
who did not make the change lets it.
"""

import json
from typing import Any

from sqlalchemy.orm import Session

from portal.campaigns.models import Campaign
from portal.core.faults import parsed
from portal.crypto.vault import WorkerVault
from portal.exposure import left_out
from portal.exposure.leaving import sets as left_out_sets
from portal.exposure.leaving.sets import Change, State


class LeftOutChanged(Exception):
    """Other people are left out now than when the notice was drafted, or approved to go on."""


class OwnChange(Exception):
    """Who changed it wants to approve it."""


def bound(session: Session, vault: WorkerVault, incident_id: bytes, silent: int) -> str:
    """Return who is left out now, as a notice's row holds it; `silent` addresses get no mail therefore."""
    left_out.note_genuine(session, vault, incident_id)
    return _written(left_out_sets.shown(session, incident_id), silent)


def of(campaign: Campaign) -> dict[str, Any] | None:
    """Return what a notice is bound to; None where nobody bound it: the command `notify` did it all."""
    return parsed(campaign.without, "notices", campaign.id) if campaign.without else None


def changed(session: Session, campaign: Campaign) -> bool:
    """Return whether others are left out now, by plain columns, for the console."""
    known = of(campaign)
    return known is not None and not left_out_sets.shown(session, campaign.incident_id).same(known)


def changes(session: Session, campaign: Campaign) -> tuple[Change, ...]:
    """Return the changes since a notice was bound."""
    known = of(campaign)
    return () if known is None else left_out_sets.shown(session, campaign.incident_id).since(known)


def is_intact(session: Session, vault: WorkerVault, campaign: Campaign) -> bool:
    """Return whether exactly those are left out that a notice is bound to."""
    known = of(campaign)
    if known is None:
        return True
    state = left_out_sets.verified(session, vault, campaign.incident_id)
    return state is not None and state.same(known)


def bind_again(session: Session, vault: WorkerVault, campaign: Campaign, by: str) -> None:
    """Bind a notice to who is left out now; the caller signs it. Raises OwnChange where `by` changed that."""
    known = of(campaign)
    if known is None or is_intact(session, vault, campaign):
        return
    left_out.note_genuine(session, vault, campaign.incident_id)
    state = left_out_sets.shown(session, campaign.incident_id)
    if by and by in {one.by for one in state.since(known)}:
        raise OwnChange
    campaign.without = _written(state, known["addresses"])


def _written(state: State, silent: int) -> str:
    reasons: dict[str, int] = {}
    for one in state.changes:
        if one.people > 0:
            reasons[one.reason] = reasons.get(one.reason, 0) + one.people
    content = {
        "people": state.people,
        "addresses": silent,
        "digest": state.digest,
        "version": state.version,
        "reasons": reasons,
    }
    return json.dumps(content, sort_keys=True)
