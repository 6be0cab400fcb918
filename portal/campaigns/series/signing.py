"""The row MAC of a notice: what was drafted, for whom, in which waves, and whether it may go out."""

import json
import logging
from datetime import UTC, datetime
from hmac import compare_digest
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.campaigns import frozen
from portal.campaigns.models import FORMER, SERIES, Campaign, Wave
from portal.core.faults import parsed
from portal.crypto.vault import WorkerVault

log = logging.getLogger("portal.campaigns")

FORGED = "campaigns: notice %s was inserted or altered without the worker's keys; %s"
ALTERED = (
    "campaigns: the frozen text of notice %s was altered or removed without the worker's keys, so it mails "
    "nobody; find out who can write to the database, then: portal campaigns notify SLUG --dry-run"
)


def waves_of(session: Session, campaign: Campaign) -> list[Wave]:
    """Return the waves of a notice in their order."""
    return list(session.scalars(select(Wave).where(Wave.notice_id == campaign.id).order_by(Wave.number)))


def plan(session: Session, campaign: Campaign) -> dict[str, Any]:
    """Return what was drafted, beside the words: number, kind, audience, count, waves, who is left out."""
    without = {"left_out": json.loads(campaign.without)} if campaign.without else {}
    return without | {
        "number": campaign.number,
        "kind": campaign.kind,
        "list": campaign.list_id,
        "audience": parsed(campaign.audience, "notices", campaign.id),
        "mails": campaign.expected,
        "per_hour": campaign.per_hour,
        "waves": [
            {
                "number": wave.number,
                "severities": [wave.worst, wave.least],
                "limit": wave.limit,
                "not_before": _moment(wave.not_before),
                "mails": wave.expected,
            }
            for wave in waves_of(session, campaign)
        ],
    }


def audience(campaign: Campaign) -> frozen.Audience:
    """Return the audience that the frozen words of a notice are bound to."""
    return frozen.Audience(campaign.incident_id, campaign.list_id, campaign.addresses)


def sign(session: Session, vault: WorkerVault, campaign: Campaign) -> None:
    """Give a notice and its waves, which are stored, their row MAC; also one that had the former one."""
    campaign.format = SERIES
    session.flush()
    campaign.row_mac = _row_mac(session, vault, campaign)
    session.flush()


def is_signed(session: Session, vault: WorkerVault, campaign: Campaign) -> bool:
    """Return whether a notice and its waves are as they were signed with the worker's keys."""
    return compare_digest(campaign.row_mac, _row_mac(session, vault, campaign))


def words_intact(session: Session, vault: WorkerVault, campaign: Campaign) -> bool:
    """Return whether the frozen words of a notice, if it has any, are as they were stored."""
    if not campaign.frozen:
        return True
    try:
        frozen.read(session, vault, campaign.id)
    except frozen.WordsAltered:
        return False
    return True


def _row_mac(session: Session, vault: WorkerVault, campaign: Campaign) -> bytes:
    # One more value for a frozen one: neither passes as the other, and former ones keep their MAC.
    frozen_too = ["frozen"] if campaign.frozen else []
    if campaign.format == FORMER:
        return vault.row_mac("campaign", campaign.id, *audience(campaign), *frozen_too)
    said = json.dumps(plan(session, campaign), sort_keys=True, ensure_ascii=False)
    return vault.row_mac("notice", campaign.id, *audience(campaign), campaign.state, said, *frozen_too)


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="microseconds")
