"""Commands: `portal keys` and `portal db`."""

from pathlib import Path

import click
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from portal.core.db import sqlite_file
from portal.core.faults import database_cause
from portal.crypto import keys as keyfiles
from portal.crypto.vault import WorkerVault
from portal.runtime import backup, schema
from portal.runtime.context import Context


@click.group()
def keys() -> None:
    """Generate key files, renew session secrets."""


@keys.command()
@click.pass_obj
def generate(context: Context) -> None:
    """Generate the key files of web server, worker and console. Never overwrites one."""
    files = context.settings.keys
    web, worker = keyfiles.generate()
    try:
        keyfiles.write(
            (files.web_file, web),
            (files.worker_file, worker),
            (files.console_file, keyfiles.for_console(worker)),
        )
    except keyfiles.KeysInvalid as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"For the web server: {files.web_file.absolute()}")
    click.echo(f"For the worker:     {files.worker_file.absolute()}")
    click.echo(f"For the console:    {files.console_file.absolute()}")
    click.echo(
        "Copy the first two to offline storage now. Without them nobody can decrypt what is stored. "
        "The console's is made again with: portal keys console"
    )


@keys.command()
@click.pass_obj
def console(context: Context) -> None:
    """Make the console's key file from the worker's. Never overwrites one.

    For an installation that is older than the console. Run it as the worker's user, then give the file to the
    console's.
    """
    files = context.settings.keys
    try:
        keyfiles.write((files.console_file, keyfiles.for_console(keyfiles.read_worker(files.worker_file))))
    except keyfiles.KeysInvalid as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"For the console: {files.console_file.absolute()}")
    click.echo(f"Give it to its user alone: chown portal-console {files.console_file.absolute()}")


@keys.command()
@click.option("--console", "of_console", is_flag=True, help="Of the console's sessions instead.")
@click.pass_obj
def renew_session(context: Context, *, of_console: bool) -> None:
    """Replace the secret of the web server's sessions.

    The previous secret stays valid until the next renewal. If it may have leaked, renew twice.
    """
    files = context.settings.keys
    file = files.console_file if of_console else files.web_file
    try:
        keyfiles.renew_session(file, keyfiles.read_console if of_console else keyfiles.read_web)
    except keyfiles.KeysInvalid as error:
        raise click.ClickException(str(error)) from error
    server = "console" if of_console else "web server"
    click.echo(f"A new session secret is in {file}. Restart the {server} now.")
    click.echo("People who are signed in stay signed in, until the next renewal ends their sessions.")


@click.group()
def db() -> None:
    """Migrate, back up and restore the database."""


@db.command()
@click.pass_obj
def upgrade(context: Context) -> None:
    """Migrate the database to this version, as a whole or not at all. Safe to repeat."""
    try:
        schema.upgrade(context.database)
    except schema.DatabaseNewer as error:
        raise click.ClickException(f"{context.named} {schema.AHEAD}.") from error
    except schema.UpgradeBlocked as error:
        raise click.ClickException(str(error)) from error
    except DBAPIError as error:
        raise click.ClickException(
            f"{context.named} could not be migrated: {database_cause(error)}. Nothing was changed. "
            "To find the cause, run: portal doctor. To go on with the "
            "former version, install it again: see docs/guide/upgrade.md"
        ) from error
    click.echo("The database is up to date.")


@db.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def back_up(context: Context, file: Path) -> None:
    """Copy the database to a new file, while the portal runs.

    Never overwrites a file. The key files are not in it: back them up apart.
    """
    try:
        backup.save(context.database, file)
    except backup.BackupRefused as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"The database is copied to {file}. Only the worker's keys decrypt it: store those elsewhere.")


@db.command()
@click.pass_obj
def vacuum(context: Context) -> None:
    """Rewrite the database's files without deleted content.

    The portal may run meanwhile, but forms wait. Needs twice the database's size of free disk.
    """
    try:
        backup.vacuum(context.db)
    except backup.BackupRefused as error:
        raise click.ClickException(str(error)) from error
    click.echo("The database is rewritten. Older backups still contain what was deleted.")


@db.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def restore(context: Context, file: Path) -> None:
    """Replace the database with a backup (SQLite).

    Stop the web server and the worker first. PostgreSQL: see docs/guide/back-up.md.
    """
    target = sqlite_file(make_url(context.settings.database_url))
    if target is None:
        raise click.ClickException(
            "This command is for SQLite. Restore PostgreSQL as docs/guide/back-up.md shows: "
            "pg_restore --clean --if-exists --dbname=NAME < FILE"
        )
    try:
        vault = WorkerVault(keyfiles.read_worker(context.settings.keys.worker_file))
        target.parent.mkdir(parents=True, exist_ok=True)
        backup.restore(file, target, vault)
    except (keyfiles.KeysInvalid, backup.BackupRefused) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"The database is restored from {file}. Now run: portal db upgrade && portal doctor")
