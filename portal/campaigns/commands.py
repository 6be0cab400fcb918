"""`portal campaigns`: notify everyone affected, and count."""

import click

from portal.campaigns import service
from portal.campaigns.models import Campaign
from portal.exposure.service import ListNotActive
from portal.identity.service import store_for
from portal.incidents import service as incidents
from portal.runtime.context import Context


@click.group(invoke_without_command=True)
@click.pass_context
def campaigns(context: click.Context) -> None:
    """Notices to everyone affected; without a command, where each one is."""
    if context.invoked_subcommand is not None:
        return
    with context.obj.db.read() as session:
        found = service.campaigns(session)
        if not found:
            click.echo("Nobody was notified yet.")
        for campaign in found:
            slug, number = (
                incidents.by_id(session, campaign.incident_id).slug,
                service.list_number(session, campaign),
            )
            click.echo(
                f"{slug}: notice to list version {number}, begun {campaign.begun_at:%Y-%m-%d %H:%M} UTC"
            )
            _show(service.ledger(session, campaign))


@campaigns.command()
@click.argument("slug")
@click.option("--dry-run", is_flag=True, help="Say how many addresses it would go to, and send nothing.")
@click.option("--confirm", type=int, help="The number of addresses, as the dry run said it.")
@click.pass_obj
def notify(context: Context, slug: str, confirm: int | None, *, dry_run: bool) -> None:
    """Send one neutral notice to every stored address of the active list of SLUG, once.

    Safe to repeat: it goes on where it stopped, and nobody gets it twice.
    """
    vault = context.worker_vault()
    try:
        with context.db.write() as session:
            incident = incidents.by_slug(session, slug)
            if incident.id not in {published.id for published in incidents.published(session)}:
                raise click.ClickException(
                    f"Publish the incident first: people would find nothing to read about '{slug}'."
                )
            if dry_run:
                count = service.count(session, vault, incident.id)
                click.echo(f"Addresses that the notice would go to: {count}. Nothing was sent.")
                click.echo(f"To send it: portal campaigns notify {slug} --confirm {count}")
                return
            if confirm is None:
                raise click.UsageError(
                    "Say to how many addresses with --confirm COUNT; --dry-run tells the number."
                )
            campaign = service.begin(session, vault, incident.id, slug, confirm, context.clock.now())
    except incidents.IncidentUnknown:
        raise click.ClickException(f"There is no incident '{slug}'. See: portal incidents list") from None
    except ListNotActive:
        raise click.ClickException(f"No list is active. See: portal exposure list {slug}") from None
    except service.CountWrong:
        raise click.ClickException(
            "This is not the number of addresses of the active list. Nothing was sent. Look again with "
            "--dry-run."
        ) from None
    chosen = service.chosen_languages(context.db, vault, store_for(context.settings))
    remaining = campaign.addresses - campaign.written - campaign.earlier
    with click.progressbar(length=max(remaining, 1), label="Writing") as bar:
        while True:
            with context.db.write_in_turn() as session:
                seen = service.advance(session, vault, chosen, campaign.id, context.clock.now())
            if not seen:
                break
            bar.update(seen)
    with context.db.read() as session:
        _show(service.ledger(session, session.get_one(Campaign, campaign.id)))
    click.echo("The worker delivers. See how far it is: portal campaigns")


def _show(ledger: service.Ledger) -> None:
    click.echo(f"  addresses {ledger.addresses}")
    click.echo(f"  written to by a notice to an earlier list {ledger.earlier}")
    click.echo(f"  not yet written {ledger.waiting}")
    for state, count in ledger.states.items():
        click.echo(f"  {state} {count}")
    click.echo(
        "  The sum is right."
        if ledger.adds_up
        else "  THE SUM IS WRONG: somebody is missing or counted twice."
    )
