"""`portal intake`: count the requests from public forms, and retry or discard those that failed."""

import click

from portal.intake import service
from portal.runtime.command_line import AS_JSON, echo_json
from portal.runtime.context import Context


@click.group()
def intake() -> None:
    """Show, retry or discard requests from public forms."""


@intake.command()
@AS_JSON
@click.pass_obj
def status(context: Context, *, as_json: bool) -> None:
    """Print the number of requests in each state.

    waiting: in the queue. held: a check that waits for a list to be activated. failed: given up after
    several tries. If requests are not answered, the last line says why.
    """
    with context.db.read() as session:
        counts = service.counts(session)
        cause = service.why_degraded(session, context.clock.now())
    if as_json:
        echo_json({"states": counts, "degraded": cause})
        return
    for state, number in counts.items():
        click.echo(f"{state:<10} {number:>10}")
    if cause is not None:
        click.echo(f"degraded: {cause}")


@intake.command()
@click.pass_obj
def retry(context: Context) -> None:
    """Queue failed requests again, once the cause is fixed."""
    with context.db.write() as session:
        number = service.retry_failed(session, context.clock.now())
    click.echo(f"Queued again: {number}.")


@intake.command()
@click.pass_obj
def discard(context: Context) -> None:
    """Delete failed requests: their senders get no answer."""
    with context.db.write() as session:
        number = service.discard_failed(session, context.clock.now())
    click.echo(f"Deleted: {number}.")
