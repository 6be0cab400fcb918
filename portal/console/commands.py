"""`portal console`: the web server of the staff's console."""

import os
from pkgutil import resolve_name
from typing import Any

import click
from sqlalchemy import inspect

from portal.console.rights import ROLE, statements
from portal.core.settings import Settings
from portal.crypto import keys
from portal.runtime.context import Context
from portal.serve import server, try_to_listen

PROCESSES = 1  # a handful of people


@click.group(invoke_without_command=True)
@click.pass_context
def console(given: click.Context) -> None:
    """Run the staff's console at PORTAL_CONSOLE_LISTEN.

    For your own network or VPN only. It refuses to start if it can open the worker's key file, or the web
    server's.
    """
    if given.invoked_subcommand is None:
        _run(given.obj)


@console.command()
@click.option("--role", metavar="NAME", default=ROLE, show_default=True, help="The console's role.")
@click.pass_obj
def grants(context: Context, role: str) -> None:
    """Print the GRANTs for the console's role in PostgreSQL.

    It gets what its pages read and write, and no more. The owner of the tables runs them; after an upgrade,
    run it again.
    """
    if context.db.is_sqlite:
        raise click.ClickException(
            "SQLite has no roles: who can write the file can write all of it. docs/guide/sizing.md says when "
            "to take PostgreSQL."
        )
    for statement in statements(inspect(context.db.engine).get_table_names(), role):
        click.echo(statement)


def _run(context: Context) -> None:
    faults = refusals(context.settings)
    if faults:
        raise click.ClickException("The console cannot start:\n  " + "\n  ".join(faults))
    _ = context.db  # refuses a database of another version
    host, _colon, port = context.settings.console.listen.rpartition(":")
    host = host.strip("[]")
    try_to_listen(host, int(port), "PORTAL_CONSOLE_LISTEN")
    made_by = "portal.console.application:from_environment"
    server(made_by, host, int(port), PROCESSES).serve(target_loader=_made)


def _made(target: str) -> Any:
    return resolve_name(target)()


def refusals(settings: Settings) -> list[str]:
    """Return the reasons why the console must not start; empty if it may."""
    faults = []
    if not settings.console.url:
        faults.append(
            "PORTAL_CONSOLE_URL: is required: the console's own address, like "
            "https://console.internal.example.com, in your own network or VPN"
        )
    try:
        keys.read_console(settings.keys.console_file)
    except keys.KeysInvalid as error:
        faults.append(str(error))
    if settings.production and not settings.keys.embedded:
        others = (
            ("PORTAL_WORKER_KEYS_FILE", settings.keys.worker_file),
            ("PORTAL_WEB_KEYS_FILE", settings.keys.web_file),
        )
        faults += [
            f"{name}: the console's user can read {file}. Run the console as a user of its own, such as "
            "portal-console, who can read console.json alone; or set PORTAL_EMBEDDED=1, whose price is in "
            "docs/guide/install.md."
            for name, file in others
            if os.access(file, os.R_OK)
        ]
    return faults
