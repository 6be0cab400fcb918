"""The ledger of a notice, and `portal campaigns failed`."""

from pathlib import Path

import click

from portal.campaigns import failed as unreached
from portal.campaigns import service
from portal.campaigns.commands.refusals import SLUG, errors_as_messages
from portal.incidents import service as incidents
from portal.outbox.models import BOUNCED
from portal.runtime.context import Context


@click.command()
@SLUG
@click.option("--number", type=int, help="The number of one notice. Default: all of the incident.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The CSV file to create, with mode 0600. It must not exist.",
)
@click.pass_obj
@errors_as_messages
def failed(context: Context, slug: str, number: int | None, output: Path) -> None:
    """List people who got no notice, for letters and calls.

    Writes one line per person: email, name, account_ref, reason. `uncertain` means that the notice may have
    arrived, `not-queued` that the notice was stopped before. The portal does not read bounces, so people
    whose mail came back are missing.
    """
    vault = context.worker_vault()
    with context.db.write() as session:
        incident = incidents.by_slug(session, slug)
        missed = unreached.missed(session, incident.id, slug, context.clock.now(), number)
    try:
        written = unreached.write(output, unreached.people(context.db, vault, missed))
    except FileExistsError:
        raise click.ClickException(f"{output} exists. Choose another file with --output.") from None
    except OSError as error:
        raise click.ClickException(
            f"{output} cannot be written ({error.strerror}). Choose another file with --output."
        ) from None
    click.echo(f"{output}: people {written}, addresses {len(missed.reasons)}. Delete it after use.")


def echo_ledger(ledger: service.Ledger) -> None:
    """Print the addresses of a notice by state."""
    click.echo(f"  addresses {ledger.addresses}")
    click.echo(f"  notified with an earlier list {ledger.earlier}")
    click.echo(f"  left out on request {ledger.left_out}")
    if ledger.outside:
        click.echo(f"  not in the audience {ledger.outside}")
    click.echo(f"  not yet queued {ledger.waiting}")
    for state, count in ledger.states.items():
        # Nothing reads the mails that come back, so 0 would not be true.
        click.echo(f"  {state} {'not known' if state == BOUNCED and not count else count}")
    click.echo(
        "  The counts add up."
        if ledger.adds_up
        else "  THE COUNTS DO NOT ADD UP: an address is missing or counted twice. Rows were changed by hand."
    )
