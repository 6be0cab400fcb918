"""How far one notice is, its waves and its forecast: what a command prints and a page shows."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.campaigns.models import ENDED, RUNNING, Campaign
from portal.campaigns.series import forecast, signing, steering
from portal.campaigns.series.progress import ledger, list_number
from portal.core.settings import Settings
from portal.outbox.bulk import ledger as mail_ledger
from portal.outbox.models import QUEUED, SENDING


def as_data(session: Session, settings: Settings, campaign: Campaign, now: datetime) -> dict[str, Any]:
    """Return how far a notice is. Reads kept counts, and no mail."""
    state, waves = steering.state_of(campaign), signing.waves_of(session, campaign)
    plan, by_wave = signing.plan(session, campaign), mail_ledger.counts(session, campaign.id)
    of = ledger(session, campaign)
    going = state == RUNNING or (state == ENDED and any(of.states[each] for each in (QUEUED, SENDING)))
    return {
        "number": campaign.number,
        "kind": campaign.kind,
        "state": state,
        "list_version": list_number(session, campaign),
        "audience": plan["audience"],
        "drafted_at": campaign.drafted_at,
        "started_at": campaign.begun_at,
        "queued_all_at": campaign.ended_at,
        "mails": campaign.expected,
        "per_hour": campaign.per_hour,
        **asdict(of),
        "adds_up": of.adds_up,
        "last_leaves_at": forecast.of(session, settings, campaign, waves, now) if going else None,
        "waves": [
            wave
            | {"state": row.state, "written": row.written, "states": by_wave.get(row.number, {})}
            | {"not_before": row.not_before, "severities": {"worst": row.worst, "least": row.least}}
            for wave, row in zip(plan["waves"], waves, strict=True)
        ],
    }
