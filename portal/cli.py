"""The `portal` command. It imports what a command needs: all of it would take a second."""

import gc
import logging
import os
import sys
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from portal.runtime.context import Context

log = logging.getLogger("portal")

# Each command: where it is, and its line in `portal --help`.
COMMANDS = {
    "accounts": ("portal.accounts.commands:accounts", "Manage customers' accounts in the builtin store."),
    "audit": ("portal.audit.commands:audit", "List and verify the audit log of what commands and jobs did."),
    "campaigns": (
        "portal.campaigns.commands:campaigns",
        "Send the notice to everyone affected.",
    ),
    "cases": ("portal.cases.commands:cases", "Help people who cannot reach their inbox."),
    "console": (
        "portal.console.commands:console",
        "Run the staff's console at PORTAL_CONSOLE_LISTEN.",
    ),
    "db": ("portal.runtime.commands:db", "Migrate, back up and restore the database."),
    "demo": ("portal.demo.commands:demo", "Run an example incident with a mailbox, on loopback only."),
    "doctor": (
        "portal.runtime.doctor.command:doctor",
        "Check the configuration, and say what is wrong and how to fix it.",
    ),
    "exposure": (
        "portal.exposure.commands:exposure",
        "Import, activate and destroy lists of affected people.",
    ),
    "identity": (
        "portal.identity.commands:identity",
        "Check the company's user store, and print the rights it needs.",
    ),
    "incidents": (
        "portal.incidents.commands:incidents",
        "Write and publish incidents: the statement and the timeline.",
    ),
    "intake": ("portal.intake.commands:intake", "Show, retry or discard requests from public forms."),
    "keys": ("portal.runtime.commands:keys", "Generate key files, renew session secrets."),
    "outbox": ("portal.outbox.commands:outbox", "Show, retry or pause outgoing mail."),
    "passwords": (
        "portal.reset.stolen.commands:passwords",
        "Build a file of stolen passwords, and look one up.",
    ),
    "purge": (
        "portal.mydata.commands:purge",
        "Remove at once what is older than the settings say.",
    ),
    "rehearse": (
        "portal.rehearsal.commands:rehearse",
        "Rehearse an incident on a copy, against a mailbox on this machine.",
    ),
    "reset": ("portal.reset.commands:reset", "Lock exposed passwords, and ask for new ones by mail."),
    "support": (
        "portal.support.commands:support",
        "Look up an address for somebody who calls.",
    ),
    "serve": ("portal.serve:serve", "Run the web server at PORTAL_LISTEN."),
    "settings": (
        "portal.console.settings.commands:settings",
        "Show the settings that admins saved, and put yours back.",
    ),
    "staff": ("portal.staff.commands:staff", "Invite and list the staff who use the console."),
    "status": ("portal.monitoring.status:status", "Show the state of the portal, and what needs action."),
}
# What mails, publishes, exports people or decides which list answers, and with which values of options:
# without these it only looks or stores. PORTAL_CLI_APPROVAL=required leaves it to the console, where a second
# person agrees. Inviting staff stays: it is the way in where no admin is left.
NEED_SECOND_PERSON: dict[tuple[str, str], dict[str, bool]] = {
    ("campaigns", "failed"): {},
    ("campaigns", "notify"): {"dry_run": False},
    ("campaigns", "resume"): {},
    ("campaigns", "start"): {},
    ("exposure", "activate"): {},
    ("exposure", "import"): {"activate_it": True},
    ("exposure", "purge"): {},
    ("incidents", "discreet"): {},
    ("incidents", "happened"): {},
    ("incidents", "publish"): {"confirm": True},
    ("incidents", "title"): {},
    ("incidents", "update"): {},
    ("reset", "require"): {"dry_run": False},
}
# Further checks before a start, so that all faults are reported together with those of the settings.
REFUSALS = {
    "serve": "portal.serve:refusals",
    "worker": "portal.worker:refusals",
    "console": "portal.console.commands:refusals",
}
# The features' checks for `portal doctor`: of the settings, and of the database.
CHECKS = {
    "console": "portal.console.checks:check",
    "identity store": "portal.identity.external:check",
    "mail relay": "portal.outbox.commands:check_relay",
    "legal pages": "portal.site.legal:check_files",
    "password lists": "portal.reset.stolen.commands:check_files",
    "saved settings": "portal.site.saved.checks:check",
}
DATABASE_CHECKS = (
    "portal.identity.builtin.hashes:check_encrypted",
    "portal.outbox.commands:check_pause",
    "portal.incidents.commands.show:check_promises",
)
# They read what settings they need, complete or not.
WITHOUT_SETTINGS = {("incidents", "check"), ("passwords", "build"), ("passwords", "check")}
NOTES = (
    "portal.site.saved.checks:notes",  # the others judge what people see
    "portal.site.legal:notes",
    "portal.reset.stolen.commands:notes",
    "portal.console.checks:notes",
)


def load(path: str) -> Any:
    """Return the attribute at `module:attribute`."""
    module, _, attribute = path.partition(":")
    gc.disable()  # imports make no garbage, and looking for it takes a sixth of their time
    try:
        return getattr(import_module(module), attribute)
    finally:
        gc.enable()


class Commands(click.Group):
    """A group whose commands are imported when they are called, and fail with a short message."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return sorted((*COMMANDS, *super().list_commands(ctx)))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or None for an unknown name."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = load(COMMANDS[cmd_name][0])
        if isinstance(command, click.Group):
            for (group, name), acts in NEED_SECOND_PERSON.items():
                if group == cmd_name:
                    _refuse_alone(f"{group} {name}", command.commands[name], acts)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the lines of `--help` from COMMANDS."""
        own = {name: self.commands[name].get_short_help_str(limit=60) for name in self.commands}
        lines = own | {name: line for name, (_, line) in COMMANDS.items()}
        with formatter.section("Commands"):
            formatter.write_dl(sorted(lines.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that a shell may offer, without importing any command."""
        own = {name: self.commands[name].get_short_help_str() for name in self.commands}
        lines = own | {name: line for name, (_, line) in COMMANDS.items()}
        names = [
            CompletionItem(name, help=line)
            for name, line in sorted(lines.items())
            if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, context: click.Context) -> Any:
        """Run a command. Raises ClickException for expected errors; never quotes stored values."""
        try:
            return super().invoke(context)
        except (click.exceptions.Exit, click.Abort, click.ClickException, BrokenPipeError):
            raise  # click's own: it handles a closed output too
        except Exception as error:
            message = load("portal.runtime.errors:message_of")(error, context.obj)
            if message is None:
                raise
            doctor = (
                "" if context.invoked_subcommand == "doctor" else " To find the cause, run: portal doctor"
            )
            raise click.ClickException(f"{message}{doctor}") from error


@click.group(cls=Commands)
@click.version_option(package_name="portal")
@click.pass_context
def main(context: click.Context) -> None:
    """Run a portal for the time after a data breach.

    Settings are PORTAL_… environment variables: see docs/guide/configure.md.
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
        or tuple(sys.argv[1:3]) in WITHOUT_SETTINGS
    ):
        return
    context.obj = _context_of(context, context.invoked_subcommand or "")
    context.call_on_close(context.obj.close)


def _refuse_alone(words: str, command: click.Command, acts: dict[str, bool]) -> None:
    """Let a command refuse to act, where the settings say that a second person must agree."""
    act = command.callback
    if act is None or hasattr(act, "__wrapped_for_approval__"):
        return

    @wraps(act)
    def callback(*arguments: Any, **options: Any) -> Any:
        console = click.get_current_context().obj.settings.console
        if console.commands_need_approval and options.items() >= acts.items():
            where = console.url or "PORTAL_CONSOLE_URL is not set"
            raise click.ClickException(
                f"portal {words} needs a second person here (PORTAL_CLI_APPROVAL=required). Nothing was "
                f"done. Ask for approval in the console: {where}"
            )
        return act(*arguments, **options)

    callback.__wrapped_for_approval__ = True  # type: ignore[attr-defined]
    command.callback = callback


def _context_of(context: click.Context, name: str) -> "Context":
    """Return the context of the command `name`. Ends with status 2 where settings are invalid."""
    context_class: type[Context] = load("portal.runtime.context:Context")
    from portal.core.settings import SendsMail, Settings, SettingsInvalid  # noqa: PLC0415 - not for --help

    # Whether a command needs the relay's password: yes unless listed.
    sends_mail = {
        "serve": SendsMail.NO,
        "console": SendsMail.NO,
        "rehearse": SendsMail.NO,
        "doctor": SendsMail.IF_KEYS_SAY,
        "keys": SendsMail.IF_KEYS_SAY,
        "status": SendsMail.IF_KEYS_SAY,
    }
    try:
        settings = Settings.from_env(os.environ, sends_mail=sends_mail.get(name, SendsMail.YES))
    except SettingsInvalid as error:
        if name == "doctor":
            return context_class(error.settings, faults=tuple(error.faults))
        click.echo("Invalid settings:", err=True)
        further = load(REFUSALS[name])(error.settings) if name in REFUSALS else ()
        for fault in (*error.faults, *further):
            click.echo(f"  {fault}", err=True)
        context.exit(2)
    if name in REFUSALS:
        for variable in settings.unused:
            log.warning("settings: %s is not used by this version; remove it", variable)
    if name != "doctor":
        return context_class(
            settings,
            uses=lambda: load("portal.console.uses:INCIDENT_USES"),
            expired=lambda: load("portal.app:EXPIRED"),
            # A server acts for many, and its entries say for whom; a command's were nobody's.
            acting=dict if name in REFUSALS else _acting,
            approvals=lambda: load("portal.staff.approvals.checking:check"),
            names=lambda: load("portal.staff.members:names"),
            opened=None if name in REFUSALS else _bring_up_to_date,
        )
    return context_class(
        settings,
        checks={check: load(path) for check, path in CHECKS.items()},
        database_checks=tuple(load(path) for path in DATABASE_CHECKS),
        notes=tuple(load(path) for path in NOTES),
    )


def _bring_up_to_date(settings: Any, db: Any) -> None:
    """Let a command know what admins saved, where this user can read a key file."""
    vault = load("portal.site.saved.keys:vault_of")(settings)
    if vault is not None:
        load("portal.site.saved.fresh:Fresh")(settings, db, vault)


def _acting() -> dict[str, str]:
    said: dict[str, str] = load("portal.audit.staff:acting")()
    return said


@main.command()
@click.pass_obj
def worker(context: "Context") -> None:
    """Run the worker: it answers requests and sends mail.

    It also runs the scheduled jobs. SIGINT or SIGTERM stops it once its current work is done.
    """
    from portal import app  # noqa: PLC0415 - imports every feature
    from portal.core.clock import SystemClock  # noqa: PLC0415
    from portal.identity import external  # noqa: PLC0415
    from portal.monitoring import metrics, server  # noqa: PLC0415
    from portal.worker import Worker  # noqa: PLC0415

    parts = app.worker_parts(context.settings, context.db, SystemClock(), context.worker_vault())
    external.tell_trouble(context.settings)
    click.echo("The worker has started.")
    with server.serving(context.settings.metrics_listen, metrics.Metrics(parts.db, parts.clock)):
        Worker(parts, app.SCHEDULE).run()
