"""`portal audit`: verify the chain."""

import click

from portal.audit import service
from portal.kit import keys
from portal.kit.context import Context
from portal.kit.vault import WorkerVault


@click.group()
def audit() -> None:
    """The log of what commands and jobs did."""


@audit.command()
@click.pass_obj
def verify(context: Context) -> None:
    """Walk the whole log and say whether anything was altered; with the worker's keys, signatures too."""
    key = None
    if context.settings.worker_keys_file.is_file():
        try:
            key = WorkerVault(keys.read_worker(context.settings.worker_keys_file)).audit_key
        except keys.KeysInvalid as error:
            click.echo(f"Signatures are not checked: {error}", err=True)
    with context.db.snapshot() as session:
        try:
            seen = service.verify(session, key)
        except service.ChainBroken as error:
            message = f"The log is not whole: {error}."
            raise click.ClickException(message) from error
    vouched = f"signed up to entry {seen.signed_up_to}" if key else "signatures not checked"
    click.echo(f"The log is whole: {seen.entries} entries, {vouched}.")
