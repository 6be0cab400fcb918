"""`portal keys` and `portal db`."""

from pathlib import Path

import click
from sqlalchemy import make_url

from portal.core.db import sqlite_file
from portal.crypto import keys as keyfiles
from portal.crypto.vault import WorkerVault
from portal.runtime import backup, schema
from portal.runtime.context import Context


@click.group()
def keys() -> None:
    """The portal's keys."""


@keys.command()
@click.pass_obj
def generate(context: Context) -> None:
    """Make both key files; existing ones are never overwritten."""
    settings = context.settings
    try:
        keyfiles.write_pair(*keyfiles.generate(), settings.keys.web_file, settings.keys.worker_file)
    except keyfiles.KeysInvalid as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"For the web server: {settings.keys.web_file}")
    click.echo(f"For the worker:     {settings.keys.worker_file}")
    click.echo(
        "Copy both to a place that is not connected to any network, now: without them nothing stored can be "
        "read."
    )


@keys.command()
@click.pass_obj
def renew_session(context: Context) -> None:
    """Make a new secret for the web server's sessions; the former one is still read, until the next renewal."""
    file = context.settings.keys.web_file
    try:
        keyfiles.renew_session(file)
    except keyfiles.KeysInvalid as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"A new session secret is in {file}. Restart the web server now.")
    click.echo("Whoever is signed in stays so until the next renewal.")


@click.group()
def db() -> None:
    """The database."""


@db.command()
@click.pass_obj
def upgrade(context: Context) -> None:
    """Bring the database to this version of the portal; safe to repeat."""
    try:
        schema.upgrade(context.database)
    except schema.DatabaseNewer as error:
        raise click.ClickException(f"The database {schema.AHEAD}.") from error
    except schema.UpgradeBlocked as error:
        raise click.ClickException(str(error)) from error
    click.echo("The database is up to date.")


@db.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def back_up(context: Context, file: Path) -> None:
    """Copy the database to FILE while everything runs; an existing file is never overwritten."""
    _sqlite_file(context, "pg_dump --format=custom")
    try:
        backup.save(context.database, file)
    except backup.BackupRefused as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"The database is copied to {file}. It opens with the worker's keys alone: keep those apart from it."
    )


@db.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def restore(context: Context, file: Path) -> None:
    """Put the copy FILE in the database's place; the web server and the worker must be stopped."""
    target = _sqlite_file(context, "pg_restore")
    try:
        vault = WorkerVault(keyfiles.read_worker(context.settings.keys.worker_file))
        target.parent.mkdir(parents=True, exist_ok=True)
        backup.put_back(file, target, vault)
    except (keyfiles.KeysInvalid, backup.BackupRefused) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{file} is in the database's place. Now run: portal db upgrade, and portal doctor")


def _sqlite_file(context: Context, instead: str) -> Path:
    file = sqlite_file(make_url(context.settings.database_url))
    if file is None:
        raise click.ClickException(f"This is for SQLite. For PostgreSQL, use its own tool: {instead}")
    return file
