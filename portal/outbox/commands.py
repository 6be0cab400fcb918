"""`portal outbox`: what is queued, sent, failed and uncertain."""

import click

from portal.audit import service as audit
from portal.kit.context import Context
from portal.outbox import service


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
    for state, number in counts.items():
        click.echo(f"{state:<10} {number:>10}")
    click.echo(f"{'all':<10} {sum(counts.values()):>10}")
    for reason, number in failures.items():
        click.echo(f"failed because of {reason}: {number}")


@outbox.command()
@click.option("--reason", help="Only those that failed for this reason, as `status` says it.")
@click.pass_obj
def retry(context: Context, reason: str | None) -> None:
    """Send failed mails again, once what kept them is mended."""
    now = context.clock.now()
    with context.db.write() as session:
        number = service.retry_failed(session, reason, now)
        audit.record(session, "outbox.retry", reason or "all", {"mails": number}, now)
    click.echo(f"In the queue again: {number}.")
