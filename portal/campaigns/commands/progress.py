"""`portal campaigns status`: every notice of an incident, its waves, and when its last mail leaves."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import click
from sqlalchemy.orm import Session

from portal.campaigns.commands.drafting import audience_in_words, wave_in_words
from portal.campaigns.commands.ledger import echo_ledger
from portal.campaigns.commands.refusals import SLUG, errors_as_messages
from portal.campaigns.models import DRAFT, ENDED, RUNNING, Campaign
from portal.campaigns.progress import Ledger, ledger, list_number, of_incident
from portal.campaigns.series import forecast, signing, steering
from portal.core.settings import Settings
from portal.incidents import service as incidents
from portal.outbox.bulk import ledger as mail_ledger
from portal.outbox.models import QUEUED, SENDING
from portal.runtime.command_line import AS_JSON, echo_json
from portal.runtime.context import Context


@click.command()
@SLUG
@AS_JSON
@click.pass_obj
@errors_as_messages
def status(context: Context, slug: str, *, as_json: bool) -> None:
    """Show an incident's notices: waves, counts, forecast.

    sent: the relay took the mail. That it was read, nobody knows.
    """
    with context.db.read() as session:
        incident = incidents.by_slug(session, slug)
        now = context.clock.now()
        found = [as_data(session, context.settings, each, now) for each in of_incident(session, incident.id)]
    if as_json:
        echo_json({"incident": slug, "notices": found})
        return
    if not found:
        click.echo("No notice has been drafted.")
    for each in found:
        _echo(slug, each)


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


def _echo(slug: str, found: dict[str, Any]) -> None:
    click.echo(f"{slug}: notice {found['number']} ({found['kind']}): {found['state']}")
    click.echo(f"  list version {found['list_version']}, {audience_in_words(found['audience'])}")
    for wave in found["waves"]:
        at, severities = wave["not_before"], wave["severities"]
        shown = wave | {
            "not_before": at.isoformat() if at else None,
            "severities": [severities["worst"], severities["least"]],
        }
        sent = f", sent {wave['states']['sent']}" if wave["states"] else ""
        click.echo(f"  {wave_in_words(shown)}: {wave['state']}, queued so far {wave['written']}{sent}")
    if found["state"] == DRAFT:
        click.echo(f"  mails {found['mails']}, none sent")
        return
    names = ("addresses", "earlier", "left_out", "waiting", "states", "outside")
    echo_ledger(Ledger(**{name: found[name] for name in names}))
    if found["last_leaves_at"]:
        click.echo(f"  At the present rate, the last leaves at {found['last_leaves_at']:%Y-%m-%d %H:%M} UTC.")
