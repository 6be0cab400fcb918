"""`portal campaigns`: notify everyone affected, and show the progress of each notice."""

from pathlib import Path

import click

from portal.campaigns import failed as unreached
from portal.campaigns import service
from portal.campaigns.models import Campaign
from portal.exposure.service import ListNotActive
from portal.identity.service import store_for
from portal.incidents import service as incidents
from portal.outbox.models import BOUNCED
from portal.people_files.progress import bar as progress_bar
from portal.runtime.context import Context


@click.group(invoke_without_command=True)
@click.pass_context
def campaigns(context: click.Context) -> None:
    """Notify everyone affected. Without a command: print the progress of each notice."""
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
            _show(service.ledger(session, campaign))


@campaigns.command()
@click.argument("slug")
@click.option("--dry-run", is_flag=True, help="Print the number of addresses; send nothing.")
@click.option("--confirm", type=int, help="The number of addresses, as printed by --dry-run.")
@click.pass_obj
def notify(context: Context, slug: str, confirm: int | None, *, dry_run: bool) -> None:
    """Send one notice to each address of the active list of SLUG.

    It tells what the published statement tells; for a discreet incident, only that there is a message. What
    it says is frozen when it begins. Safe to repeat: a second run continues where the first stopped, and no
    address gets the notice twice.
    """
    from portal.campaigns import wording  # noqa: PLC0415 - slow to import, and no other command needs it

    vault = context.worker_vault()
    try:
        with context.db.write() as session:
            incident = incidents.by_slug(session, slug)
            if incident.id not in {published.id for published in incidents.published(session)}:
                raise click.ClickException(
                    f"The incident '{slug}' is not published, so readers of the notice would find no page. "
                    f"Publish it first: portal incidents publish {slug}"
                )
            if dry_run:
                count = service.count(session, vault, incident.id)
                click.echo(f"The notice would go to {count} addresses. Nothing was sent.")
                click.echo(f"To send it: portal campaigns notify {slug} --confirm {count}")
                return
            if confirm is None:
                raise click.UsageError(
                    "Confirm the number of addresses with --confirm COUNT; --dry-run prints it."
                )
            now = context.clock.now()
            words = wording.drawn(session, vault, context.settings, incident, now)
            campaign = service.start(session, vault, incident.id, slug, confirm, now, words)
    except incidents.IncidentUnknown:
        raise click.ClickException(f"There is no incident '{slug}'. See: portal incidents list") from None
    except ListNotActive:
        raise click.ClickException(
            f"No list is active for '{slug}'. See: portal exposure list {slug}"
        ) from None
    except wording.SummaryMissing as error:
        raise click.ClickException(f"Nothing was sent: {error}.") from None
    except service.CountWrong:
        raise click.ClickException(
            "--confirm differs from the number of addresses of the active list. Nothing was sent. "
            f"Check with: portal campaigns notify {slug} --dry-run"
        ) from None
    chosen = service.chosen_languages(context.db, vault, store_for(context.settings))
    remaining = campaign.addresses - campaign.written - campaign.earlier
    with progress_bar("Writing", remaining) as bar:
        while True:
            with context.db.write_in_turn() as session:
                seen = service.advance(session, vault, chosen, campaign.id, context.clock.now())
            if not seen:
                break
            bar.update(seen)
    with context.db.read() as session:
        _show(service.ledger(session, session.get_one(Campaign, campaign.id)))
    click.echo("The worker now delivers the notice. See its progress with: portal campaigns")


@campaigns.command()
@click.argument("slug")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The CSV file to write. It must not exist; only you will be able to read it.",
)
@click.pass_obj
def failed(context: Context, slug: str, output: Path) -> None:
    """Write down whom no notice of SLUG reached, for letters and calls.

    One line per person: email, name, account_ref, reason. `uncertain` means that the notice may have arrived.
    Bounces are not known, so people whose mail came back are missing.
    """
    vault = context.worker_vault()
    try:
        with context.db.write() as session:
            incident = incidents.by_slug(session, slug)
            missed = unreached.missed(session, incident.id, slug, context.clock.now())
    except incidents.IncidentUnknown:
        raise click.ClickException(f"There is no incident '{slug}'. See: portal incidents list") from None
    try:
        number = unreached.write(output, unreached.people(context.db, vault, missed))
    except FileExistsError:
        raise click.ClickException(f"{output} exists: choose another file with --output.") from None
    except OSError as error:
        raise click.ClickException(
            f"{output} cannot be written ({error.strerror}): choose another file with --output."
        ) from None
    click.echo(f"{output}: people {number}, addresses {len(missed.reasons)}. Delete it once it is used.")


def _show(ledger: service.Ledger) -> None:
    click.echo(f"  addresses {ledger.addresses}")
    click.echo(f"  notified with an earlier list {ledger.earlier}")
    click.echo(f"  not yet queued {ledger.waiting}")
    for state, count in ledger.states.items():
        # Nothing reads the mails that come back, so 0 would not be true.
        click.echo(f"  {state} {'not known' if state == BOUNCED and not count else count}")
    click.echo(
        "  The counts add up."
        if ledger.adds_up
        else "  THE COUNTS DO NOT ADD UP: an address is missing or counted twice."
    )
