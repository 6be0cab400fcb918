"""`portal outbox`: what is queued, sent, failed and uncertain."""

import click

from portal.audit import service as audit
from portal.outbox import service
from portal.runtime.context import Context


@click.group()
def outbox() -> None:
    """The mails that leave."""


@outbox.command()
@click.pass_obj
def status(context: Context) -> None:
    """Print how many mails are in each state."""
    with context.db.read() as session:
        counts = service.counts(session)
        failures = service.failures(session)
        delays = service.delays(session)
    for state, number in counts.items():
        click.echo(f"{state:<10} {number:>10}")
    click.echo(f"{'all':<10} {sum(counts.values()):>10}")
    for reason, number in failures.items():
        click.echo(f"failed because of {reason}: {number}")
    for reason, number in delays.items():
        click.echo(f"waiting because of {reason}: {number}")


@outbox.command()
@click.option("--reason", help="Only those that failed for this reason, as `status` says it.")
@click.option(
    "--uncertain", is_flag=True, help="Instead those that may have left: who got one gets a second copy."
)
@click.pass_obj
def retry(context: Context, reason: str | None, uncertain: bool) -> None:
    """Send failed mails again, once what kept them is mended.

    What somebody asked for more than a day ago stays: they have asked again, or the link has ended.
    """
    now = context.clock.now()
    with context.db.write() as session:
        number = service.retry_failed(session, reason, now, uncertain=uncertain)
        details = {"mails": number} | ({"state": "uncertain"} if uncertain else {})
        audit.record(session, "outbox.retry", reason or "all", details, now)
    click.echo(f"In the queue again: {number}.")
