"""The `portal` command."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

import click
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from portal import app as wiring
from portal import serve as serving
from portal import worker as working
from portal.accounts.commands import accounts
from portal.audit.commands import audit
from portal.campaigns.commands import campaigns
from portal.core.clock import SystemClock
from portal.core.db import sqlite_file
from portal.core.faults import database_message
from portal.core.settings import SendsMail, Settings, SettingsInvalid
from portal.crypto.vault import VaultError
from portal.demo.commands import demo
from portal.exposure.commands import exposure
from portal.identity import hashes
from portal.incidents.commands import incidents
from portal.outbox.commands import check_relay, outbox
from portal.reset.commands import reset
from portal.runtime.commands import db, keys
from portal.runtime.context import Context
from portal.runtime.doctor import doctor

log = logging.getLogger("portal")

# Whether a command needs the relay's password: yes unless listed.
SENDS_MAIL = {
    "serve": SendsMail.NO,
    "doctor": SendsMail.IF_KEYS_SAY,
    "keys": SendsMail.IF_KEYS_SAY,
}
# Further checks before a start, so that all faults are reported together with those of the settings.
REFUSALS = {"serve": serving.refusals, "worker": working.refusals}
# The features' checks for `portal doctor`.
CHECKS = (check_relay,)
DATABASE_CHECKS = (hashes.check_encrypted,)


class Commands(click.Group):
    """A group whose commands fail with a short message that never quotes stored values."""

    def invoke(self, context: click.Context) -> Any:
        """Run a command. Raises ClickException for expected errors."""
        try:
            return super().invoke(context)
        except (DBAPIError, VaultError, OSError, OverflowError) as error:
            if isinstance(error, BrokenPipeError):  # click handles a closed output
                raise
            next_step = (
                "" if context.invoked_subcommand == "doctor" else " To find the cause, run: portal doctor"
            )
            file = sqlite_file(make_url(context.obj.settings.database_url)) if context.obj else None
            raise click.ClickException(f"{_message(error, file)}{next_step}") from error


def _message(error: DBAPIError | VaultError | OSError | OverflowError, database: Path | None) -> str:
    if isinstance(error, VaultError):
        return "A stored value does not open: it was tampered with, or encrypted under other keys."
    if isinstance(error, OverflowError):
        return "A number is too large."
    if isinstance(error, OSError):
        return f"{error.strerror or type(error).__name__}{f': {error.filename}' if error.filename else ''}."
    message = database_message(error, database)
    return f"{message[0].upper()}{message[1:]}."


@click.group(cls=Commands)
@click.version_option(package_name="portal")
@click.pass_context
def main(context: click.Context) -> None:
    """Run a portal for the time after a data breach.

    Settings are PORTAL_… environment variables; see docs/operators-guide.md.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # The demo mailbox would log every SMTP line, addresses included.
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    if (
        context.obj is not None
        or context.resilient_parsing
        or "--help" in sys.argv
        or context.invoked_subcommand == "demo"
    ):
        return
    try:
        sends_mail = SENDS_MAIL.get(context.invoked_subcommand or "", SendsMail.YES)
        settings = Settings.from_env(os.environ, sends_mail=sends_mail)
        context.obj = Context(settings, checks=CHECKS, database_checks=DATABASE_CHECKS)
        context.call_on_close(context.obj.close)
        if context.invoked_subcommand in REFUSALS:
            for variable in context.obj.settings.unused:
                log.warning("settings: %s is not used by this version; remove it", variable)
    except SettingsInvalid as error:
        click.echo("Invalid settings:", err=True)
        refusals = REFUSALS.get(context.invoked_subcommand or "")
        for fault in (*error.faults, *(refusals(error.settings) if refusals else ())):
            click.echo(f"  {fault}", err=True)
        context.exit(2)


@main.command()
@click.pass_obj
def worker(context: Context) -> None:
    """Answer requests, deliver mail and run scheduled jobs, until SIGINT or SIGTERM."""
    parts = wiring.worker_parts(context.settings, context.db, SystemClock(), context.worker_vault())
    click.echo("The worker has started.")
    working.Worker(parts, wiring.SCHEDULE).run()


for command in (
    accounts,
    audit,
    campaigns,
    db,
    demo,
    doctor,
    exposure,
    incidents,
    keys,
    outbox,
    reset,
    serving.serve,
):
    main.add_command(command)
