"""The `portal` command."""

import logging
import os
import sys

import click

from portal import app as wiring
from portal.accounts.commands import accounts
from portal.audit.commands import audit
from portal.campaigns.commands import campaigns
from portal.demo.commands import demo
from portal.exposure import taxonomy
from portal.exposure.commands import exposure
from portal.incidents.commands import incidents
from portal.kit.clock import SystemClock
from portal.kit.commands import db, doctor, keys
from portal.kit.context import Context
from portal.kit.settings import Settings, SettingsInvalid
from portal.outbox.commands import outbox
from portal.reset.commands import reset
from portal.serve import serve
from portal.worker import Worker

# Who sends mail needs the relay's password. The web server does not; of these others, the worker's user does.
SENDS_MAIL = {"serve": False, "doctor": None, "keys": None}


@click.group()
@click.version_option(package_name="portal")
@click.pass_context
def main(context: click.Context) -> None:
    """A portal for the time after a data breach. Settings are PORTAL_… variables; see docs/operators-guide.md."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("huey").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # The demonstration's mailbox would print every line of every mail's way, addresses too.
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    if (
        context.obj is not None
        or context.resilient_parsing
        or "--help" in sys.argv
        or context.invoked_subcommand == "demo"
    ):
        return
    try:
        names = tuple(data_class.name for data_class in taxonomy.load())
        sends_mail = SENDS_MAIL.get(context.invoked_subcommand or "", True)
        context.obj = Context(Settings.from_env(os.environ, sends_mail=sends_mail), data_classes=names)
    except SettingsInvalid as error:
        click.echo("The settings are not right:", err=True)
        for fault in error.faults:
            click.echo(f"  {fault}", err=True)
        context.exit(2)


@main.command()
@click.pass_obj
def worker(context: Context) -> None:
    """Answer requests, deliver mail and tend the schedule, until SIGINT or SIGTERM."""
    parts = wiring.worker_parts(context.settings, context.db, SystemClock(), context.worker_vault())
    click.echo("The worker is at work.")
    Worker(parts, wiring.SCHEDULE).run()


for command in (accounts, audit, campaigns, db, demo, doctor, exposure, incidents, keys, outbox, reset, serve):
    main.add_command(command)
