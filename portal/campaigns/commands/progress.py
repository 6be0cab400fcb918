"""`portal campaigns status`: every notice of an incident, its waves, and when its last mail leaves."""

from typing import Any

import click

from portal.campaigns.commands.drafting import audience_in_words, wave_in_words
from portal.campaigns.commands.ledger import echo_ledger
from portal.campaigns.commands.refusals import SLUG, errors_as_messages
from portal.campaigns.models import DRAFT
from portal.campaigns.series.progress import Ledger, of_incident
from portal.campaigns.series.status import as_data
from portal.incidents import service as incidents
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
