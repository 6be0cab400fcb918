"""`portal campaigns`: notify everyone affected, try it before, and show the progress of each notice."""

import click

from portal.campaigns import service
from portal.campaigns.commands.ledger import echo_ledger, failed
from portal.campaigns.commands.notifying import notify
from portal.campaigns.commands.trying import preview, send_test, subject
from portal.incidents import service as incidents


@click.group(invoke_without_command=True)
@click.pass_context
def campaigns(context: click.Context) -> None:
    """Send the notice to everyone affected. Without a command, print the progress of each notice."""
    if context.invoked_subcommand is not None:
        return
    with context.obj.db.read() as session:
        found = service.campaigns(session)
        if not found:
            click.echo("No notice has been started.")
        for campaign in found:
            slug = incidents.by_id(session, campaign.incident_id).slug
            number = service.list_number(session, campaign)
            started = f"{campaign.begun_at:%Y-%m-%d %H:%M} UTC"
            click.echo(f"{slug}: notice to list version {number}, started {started}")
            echo_ledger(service.ledger(session, campaign))


for command in (notify, preview, send_test, subject, failed):
    campaigns.add_command(command)
