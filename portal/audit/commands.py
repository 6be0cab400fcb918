"""`portal audit`: verify the chain."""

import click

from portal.audit import service
from portal.crypto import keys, self_test
from portal.crypto.vault import WorkerVault
from portal.runtime.context import Context


@click.group()
def audit() -> None:
    """The log of what commands and jobs did."""


def _marks(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> list[service.Mark]:
    try:
        return [service.Mark.parse(text) for text in given]
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@audit.command()
@click.option(
    "--holds",
    metavar="NUMBER:DIGEST",
    multiple=True,
    callback=_marks,
    help="An entry that was noted down; the log must still hold it. May be given several times.",
)
@click.pass_obj
def verify(context: Context, holds: list[service.Mark]) -> None:
    """Walk the whole log and say whether anything was altered; with the worker's keys, signatures too."""
    key = None
    if context.settings.keys.worker_file.is_file():
        try:
            vault = WorkerVault(keys.read_worker(context.settings.keys.worker_file))
            self_test.check(context.db, vault)
            key = vault.audit_key
        except (keys.KeysInvalid, self_test.OtherKeys) as error:
            click.echo(f"Signatures are not checked: {error}", err=True)
    with context.db.snapshot() as session:
        try:
            seen = service.verify(session, key, holds)
        except service.ChainBroken as error:
            message = f"The log is not whole: {error}."
            raise click.ClickException(message) from error
    vouched = f"signed up to entry {seen.signed_up_to}" if key else "signatures not checked"
    click.echo(f"The log is whole: {seen.entries} entries, {vouched}.")
    if seen.entries:
        click.echo(f"Its last entry is {seen.last}; note this down somewhere else, for --holds.")
