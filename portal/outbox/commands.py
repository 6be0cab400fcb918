"""`portal outbox`: what is queued, sent, failed and uncertain."""

import click

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
    for state, number in counts.items():
        click.echo(f"{state:<10} {number:>10}")
    click.echo(f"{'all':<10} {sum(counts.values()):>10}")
