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
    """Generate the key files, and renew the session secret."""


@keys.command()
@click.pass_obj
def generate(context: Context) -> None:
    """Generate both key files. Never overwrites one."""
    settings = context.settings
    try:
        keyfiles.write_pair(*keyfiles.generate(), settings.keys.web_file, settings.keys.worker_file)
    except keyfiles.KeysInvalid as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"For the web server: {settings.keys.web_file.absolute()}")
    click.echo(f"For the worker:     {settings.keys.worker_file.absolute()}")
    click.echo("Copy both to offline storage now. Without them nobody can decrypt what is stored.")


@keys.command()
@click.pass_obj
def renew_session(context: Context) -> None:
    """Replace the secret of the web server's sessions.

    The previous secret stays valid until the next renewal. If it may have leaked, renew twice.
    """
    file = context.settings.keys.web_file
    try:
        keyfiles.renew_session(file)
    except keyfiles.KeysInvalid as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"A new session secret is in {file}. Restart the web server now.")
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
