"""`portal rehearse`: the whole incident on a copy, so that everyone has done it once before it counts."""

import os
import signal
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from portal.audit import service as audit
from portal.core.disk_space import free_bytes, readable
from portal.core.environment import PREFIX
from portal.core.settings import Settings
from portal.crypto.keys import KeysInvalid
from portal.demo.mailbox import HOST, MailboxStore, check_installed, receiving
from portal.demo.processes import is_free, running, wait_for_stop, wait_until_up
from portal.incidents import service as incidents
from portal.rehearsal import copying
from portal.rehearsal.arrivals import KEPT, Arrivals
from portal.rehearsal.steps import Rehearsal, Stopped
from portal.runtime.backup import BackupRefused
from portal.runtime.context import Context

LOG = "rehearsal.log"
ROOM = 3  # of the database's size: the copy, and the mails and answers that it gets
# Set for the copy, and not to be taken from the real portal.
LEFT_OUT = frozenset(
    [
        *("MAIL_RATE", "METRICS_LISTEN", "TRUSTED_PROXIES", "QUEUE_FILE", "DEMO_MAILBOX"),
        *("CONSOLE_URL", "CONSOLE_LISTEN", "CONSOLE_KEYS_FILE", "APPROVALS", "CLI_APPROVAL"),
    ]
)

# Any other store is the company's own: a rehearsal that locked passwords there would lock real ones.
COPIED_WITH_THE_DATABASE = ("builtin", "link")


@click.command()
@click.argument("slug")
@click.option("--list", "number", type=click.IntRange(1), help="The list version. Default: the active one.")
@click.option(
    "--accept", "accepted", multiple=True, metavar="CODE", help="As for `portal incidents publish`."
)
@click.option("--accept-bad-rows", is_flag=True, help="As for `portal exposure activate`.")
@click.option("--replace", is_flag=True, help="As for `portal exposure activate`.")
@click.option("--port", type=click.IntRange(1, 65535), default=8100, help="The port. Default: 8100.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where to put the copy. Default: the folder for temporary files.",
)
@click.option("--stay", is_flag=True, help="Leave the copy running, and show its mailbox to this machine.")
@click.pass_obj
def rehearse(
    context: Context,
    slug: str,
    number: int | None,
    accepted: tuple[str, ...],
    port: int,
    folder: Path | None,
    *,
    accept_bad_rows: bool,
    replace: bool,
    stay: bool,
) -> None:
    """Rehearse an incident on a copy, against a mailbox on this machine.

    Publishes the drafts of SLUG, activates its list, locks exposed passwords, sends the notice to everyone
    and does what a customer does: all of it on a copy of the database, with a web server and a worker of its
    own. No mail leaves this machine, and the copy is deleted at the end.
    """
    _check(context, slug, port)
    options = [*(["--accept-bad-rows"] if accept_bad_rows else []), *(["--replace"] if replace else [])]
    # The copy is deleted however the command ends, except by SIGKILL.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with TemporaryDirectory(prefix="portal-rehearsal-", dir=folder) as name:
        work = Path(name)
        click.echo(f"The copy is in {work}. It is deleted at the end; if this command is killed, delete it.")
        _copy(context, work, slug)
        if (store_name := context.settings.identity.store) not in COPIED_WITH_THE_DATABASE:
            click.echo(f"The accounts in the store '{store_name}' are real, so the copy has none of them.")
        store = MailboxStore(work / "mailbox.db")
        arrivals = Arrivals(store)
        with receiving(arrivals.add) as mail_port, (work / LOG).open("wb") as log:
            environ = environ_of(context.settings, work, port, mail_port, mailbox=stay)
            copied = Context(Settings.from_env(environ), uses=context.uses)
            try:
                with running("worker", environ, log), running("serve", environ, log) as server:
                    wait_until_up(port, server, work / LOG)
                    faults = _run(Rehearsal(copied, slug, arrivals), number, accepted, options)
                    _say_result(faults)
                    if stay:
                        wait_for_stop(server, partial(_print_addresses, copied.settings.base_url))
            finally:
                copied.close()
    if faults:
        raise click.exceptions.Exit(1)


def _check(context: Context, slug: str, port: int) -> None:
    """Raise ClickException where the rehearsal cannot begin."""
    check_installed()
    context.worker_vault()
    try:
        with context.db.read() as session:
            incidents.by_slug(session, slug)
    except incidents.IncidentUnknown:
        raise click.ClickException(f"There is no incident '{slug}'. See: portal incidents list") from None
    if not is_free(port):
        raise click.ClickException(f"Port {port} is in use. Choose another with --port.")


def _copy(context: Context, work: Path, slug: str) -> None:
    size, free = copying.size(context.db), free_bytes(work)
    if free < ROOM * size:
        raise click.ClickException(
            f"The copy needs {readable(ROOM * size)}, and {work.parent} has {readable(free)} left. "
            "Choose another disk with --folder."
        )
    try:
        copying.copy(context.db, work / "portal.db")
        copying.write_keys(context.settings.keys.worker_file, work)
    except (BackupRefused, KeysInvalid) as error:
        raise click.ClickException(str(error)) from error
    with context.db.write() as session:
        audit.record(session, "rehearse", slug, {"bytes": size}, context.clock.now())
    click.echo(
        f"Copied {readable(size)}. Mail goes to a mailbox in the copy, which keeps {KEPT} of each kind."
    )


def environ_of(settings: Settings, work: Path, port: int, mail_port: int, *, mailbox: bool) -> dict[str, str]:
    """Return the environment of the copy: the company's own names and limits, nothing of its servers.

    Its page with the mails is open to all users and programs of this machine, the real web server among them,
    so it is there only with `mailbox`.
    """
    own = {
        "ENVIRONMENT": "demo",
        "BASE_URL": f"http://localhost:{port}",
        "LISTEN": f"{HOST}:{port}",
        "DATABASE_URL": f"sqlite:///{work / 'portal.db'}",
        "MAIL_URL": f"smtp://{HOST}:{mail_port}?tls=none",
        "MAIL_SENDER": settings.mail.sender,
        "WEB_KEYS_FILE": str(work / "web.json"),
        "WORKER_KEYS_FILE": str(work / "worker.json"),
        "EMBEDDED": "1",
    }
    if settings.identity.store not in COPIED_WITH_THE_DATABASE:
        own["IDENTITY_STORE"] = "builtin"
    if mailbox:
        own["DEMO_MAILBOX"] = str(work / "mailbox.db")
    replaced = LEFT_OUT | own.keys()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not {name.removeprefix(PREFIX), name.removeprefix(PREFIX).removesuffix("_FILE")} & replaced
        and not ("IDENTITY_STORE" in own and name.startswith(f"{PREFIX}IDENTITY_"))
    }
    return kept | {PREFIX + name: value for name, value in own.items()}


def _run(
    rehearsal: Rehearsal, number: int | None, accepted: tuple[str, ...], options: list[str]
) -> list[str]:
    """Take the steps in their order; return what went wrong."""
    site = rehearsal.context.settings.base_url
    try:
        click.echo("\n1. Publish")
        rehearsal.publish(accepted)
        click.echo("\n2. Activate the list")
        rehearsal.activate(number, options)
        click.echo("\n3. Lock exposed passwords")
        if rehearsal.context.settings.identity.elsewhere:
            click.echo("  note  not tried: passwords are locked with your own tool")
        else:
            rehearsal.require_passwords()
        click.echo("\n4. Notify everyone")
        rehearsal.notify()
        seconds = rehearsal.wait_until_sent()
        click.echo(f"  The last notice came after {seconds:.0f} s.")
        click.echo("\n5. Was anybody missed?")
        rehearsal.compare()
        click.echo("\n6. What a customer does")
        rehearsal.visit(site)
    except Stopped:
        rehearsal.faults.append("the last command above was refused, so the steps after it were not taken")
    return rehearsal.faults


def _say_result(faults: list[str]) -> None:
    click.echo("")
    for fault in faults:
        click.echo(f"WRONG {fault}")
    click.echo("The rehearsal went through." if not faults else "The rehearsal did not go through.")


def _print_addresses(site: str) -> None:
    click.echo(f"portal: {site}/\nmailbox: {site}/dev/mailbox/")
    click.echo("Every user and program of this machine can read that mailbox. Stop soon.\nStop with Ctrl-C.")
