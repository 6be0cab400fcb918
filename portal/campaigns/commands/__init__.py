"""`portal campaigns`: notify everyone affected, try it before, and show the progress of each notice."""

from dataclasses import asdict
from typing import Any

import click
from sqlalchemy.orm import Session

from portal.campaigns import service
from portal.campaigns.commands.drafting import draft, start
from portal.campaigns.commands.ledger import echo_ledger, failed
from portal.campaigns.commands.notifying import notify
from portal.campaigns.commands.progress import status
from portal.campaigns.commands.steering import pause, resume, stop
from portal.campaigns.commands.trying import preview, send_test, subject
from portal.campaigns.models import Campaign
from portal.incidents import service as incidents
from portal.runtime.command_line import AS_JSON, echo_json


@click.group(invoke_without_command=True)
@AS_JSON
@click.pass_context
def campaigns(context: click.Context, *, as_json: bool) -> None:
    """Send the notice to everyone affected. Without a command, print the progress of each notice."""
    if context.invoked_subcommand is not None:
        return
    with context.obj.db.read() as session:
        found = service.campaigns(session)
        if as_json:
            echo_json([_as_data(session, campaign) for campaign in found])
            return
        if not found:
            click.echo("No notice has been started.")
        for campaign in found:
            slug = incidents.by_id(session, campaign.incident_id).slug
            number = service.list_number(session, campaign)
            started = f"{campaign.begun_at:%Y-%m-%d %H:%M} UTC"
            click.echo(f"{slug}: notice to list version {number}, started {started}")
            echo_ledger(service.ledger(session, campaign))


def _as_data(session: Session, campaign: Campaign) -> dict[str, Any]:
    ledger = service.ledger(session, campaign)
    return {
        "incident": incidents.by_id(session, campaign.incident_id).slug,
        "list_version": service.list_number(session, campaign),
        "started_at": campaign.begun_at,
        "queued_all_at": campaign.ended_at,
        **asdict(ledger),
        "adds_up": ledger.adds_up,
    }


for command in (draft, start, pause, resume, stop, status, notify, preview, send_test, subject, failed):
    campaigns.add_command(command)
