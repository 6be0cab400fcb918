"""`portal demo`: run the whole portal on this machine, with an example incident and a mailbox."""

import fcntl
import logging
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from portal.core import shipped
from portal.core.environment import PREFIX
from portal.core.settings import Settings
from portal.crypto import keys
from portal.demo.example import add_staff, close_stolen_passwords, incident, load, show_notice
from portal.demo.mailbox import HOST, MailboxStore, check_installed, receiving
from portal.demo.people import EXAMPLE, FAMILY, PASSWORD, ROBBED, STAFF, UNAFFECTED
from portal.demo.processes import free_port, is_free, running, wait_for_stop, wait_until_up
from portal.runtime.context import Context

LOG = "demo.log"
LOCK = "demo.lock"
FILES = ("demo.db", "demo-queue.db", "demo-mailbox.db", "demo-keys", "demo-loaded")


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8000, help="The port. Default: 8000.")
@click.option("--fresh", is_flag=True, help="Delete the data of earlier runs first.")
def demo(port: int, *, fresh: bool) -> None:
    """Run an example incident with a mailbox, on loopback only."""
    if os.environ.get(f"{PREFIX}ENVIRONMENT", "demo") != "demo":
        message = (
            "PORTAL_ENVIRONMENT is set, and the demonstration never runs beside a real portal. "
            f"Unset it: env -u PORTAL_ENVIRONMENT {sys.argv[0]} demo"
        )
        raise click.ClickException(message)
    check_installed()
    # Nobody who tries the portal out needs the log of loading the example; server and worker log to a file.
    logging.getLogger("portal").setLevel(logging.WARNING)
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder, port):
        if not is_free(port):
            message = f"Port {port} is in use. Choose another: {sys.argv[0]} demo --port 8001"
            raise click.ClickException(message)
        # SIGTERM during start-up ends the child processes too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        _run(folder, port, fresh=fresh)


def _folder() -> Path:
    """Return where the data is: in `var` of a repository, or where the user's programs keep theirs."""
    if not shipped.INSTALLED:
        return shipped.FILES / "var"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "portal-demo"


def _run(folder: Path, port: int, *, fresh: bool) -> None:
    if fresh or not (folder / "demo-loaded").exists():
        _delete_data(folder)
    store = MailboxStore(folder / "demo-mailbox.db")
    console_port = free_port()
    with receiving(store.add) as mail_port:
        environ = _environ(folder, port, mail_port, console_port)
        if not (folder / "demo-loaded").exists():
            click.echo("Loading the example incident ...")
        _prepare(folder, Settings.from_env(environ))
        with (
            (folder / LOG).open("wb") as log,
            running("worker", environ, log),
            running("serve", environ, log) as server,
            running("console", environ, log) as console,
        ):
            wait_until_up(port, server, folder / LOG)
            wait_until_up(console_port, console, folder / LOG)
            wait_for_stop(server, partial(_print_addresses, port, console_port, folder / LOG))


@contextmanager
def _locked(folder: Path, port: int) -> Iterator[None]:
    """Lock the folder, which holds one database. Raises ClickException if a demonstration runs there."""
    with (folder / LOCK).open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            where = lock.read().strip() or "another port"
            message = (
                f"The demonstration of this folder is already running at {where}. Stop it with Ctrl-C first."
            )
            raise click.ClickException(message) from None
        lock.truncate(0)
        lock.write(f"http://localhost:{port}/\n")
        lock.flush()
        yield


def _print_addresses(port: int, console_port: int, log: Path) -> None:
    """Print the addresses of the demonstration and people to try it with."""
    click.echo(f"portal: http://localhost:{port}/")
    click.echo(f"mailbox: http://localhost:{port}/dev/mailbox/")
    click.echo(f"console: http://localhost:{console_port}/")
    click.echo("Staff, with password, and the secret for an authenticator app:")
    for one in STAFF:
        click.echo(f"staff: {one.role} {one.address} {one.password} {one.secret}")
    click.echo("A customer whose data was stolen. Check her address, then read the answer in the mailbox:")
    click.echo(f"example: {EXAMPLE}")
    click.echo(
        "A customer whose password was stolen too. We locked it at the first start; the mailbox has the mail:"
    )
    click.echo(f"needs a new password: {ROBBED}")
    click.echo("An affected family. The mailbox has the notice to them, in English and in Spanish:")
    click.echo(f"notified: {FAMILY}")
    click.echo("A customer who is not affected, and can sign in:")
    click.echo(f"sign in as: {UNAFFECTED}")
    click.echo(f"password: {PASSWORD}")
    click.echo(f"Your changes are still there next time. To start over: {sys.argv[0]} demo --fresh")
    click.echo(f"The logs are in {log}. Stop with Ctrl-C.")
    sys.stdout.flush()


def _environ(folder: Path, port: int, mail_port: int, console_port: int) -> dict[str, str]:
    about = incident()
    own = {
        "ENVIRONMENT": "demo",
        "BASE_URL": f"http://localhost:{port}",
        "LISTEN": f"{HOST}:{port}",
        "DATABASE_URL": f"sqlite:///{folder / 'demo.db'}",
        "MAIL_URL": f"smtp://{HOST}:{mail_port}?tls=none",
        "MAIL_SENDER": f"incident@{about['domain']}",
        "WEB_KEYS_FILE": str(folder / "demo-keys/web.json"),
        "WORKER_KEYS_FILE": str(folder / "demo-keys/worker.json"),
        "CONSOLE_KEYS_FILE": str(folder / "demo-keys/console.json"),
        "CONSOLE_URL": f"http://localhost:{console_port}",
        "CONSOLE_LISTEN": f"{HOST}:{console_port}",
        "EMBEDDED": "1",
        "ORGANISATION": about["organisation"],
        "CONTACT_EMAIL": about["contact_email"],
        "CONTACT_PHONE": about["contact_phone"],
        "BRAND_COLOUR": about["brand_colour"],
        "TIMEZONE": "Europe/London",
        "TEST_RECIPIENTS": FAMILY,
        "DEMO_MAILBOX": str(folder / "demo-mailbox.db"),
    }
    other = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return other | {PREFIX + name: value for name, value in own.items()}


def _prepare(folder: Path, settings: Settings) -> None:
    if not settings.keys.worker_file.exists():
        keys.write_pair(*keys.generate(), settings.keys.web_file, settings.keys.worker_file)
    if not settings.keys.console_file.exists():
        worker = keys.read_worker(settings.keys.worker_file)
        keys.write((settings.keys.console_file, keys.for_console(worker)))
    context = Context(settings)
    new = not (folder / "demo-loaded").exists()
    load(context, new=new)
    if new:
        close_stolen_passwords(context)
        show_notice(context)
    add_staff(context)
    (folder / "demo-loaded").touch()
    context.db.dispose()


def _delete_data(folder: Path) -> None:
    for name in FILES:
        for path in (folder / name, folder / f"{name}-wal", folder / f"{name}-shm"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
