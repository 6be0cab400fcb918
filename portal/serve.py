"""`portal serve`: the web server."""

import os
import socket
from pkgutil import resolve_name
from typing import TYPE_CHECKING

import click

from portal.blocklists import lists
from portal.core.environment import PREFIX
from portal.core.settings import Settings
from portal.crypto import keys, self_test
from portal.crypto.vault import WebVault
from portal.identity import registry
from portal.identity.ports import StoreFault
from portal.runtime.context import Context
from portal.web.gate import THREADS

if TYPE_CHECKING:
    from granian.server import MPServer

# How long a stop waits for responses in progress. Without a limit, idle keep-alive connections block it.
STOP_SECONDS = 10


@click.command()
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=None,
    help="Number of processes. Default: one per core.",
)
@click.pass_obj
def serve(context: Context, processes: int | None) -> None:
    """Run the web server at PORTAL_LISTEN.

    It refuses to start if it can open the worker's key file, or read the secret of an identity store.
    """
    faults = refusals(context.settings)
    if faults:
        raise click.ClickException("The web server cannot start:\n  " + "\n  ".join(faults))
    try:
        self_test.check_web(context.db, WebVault(keys.read_web(context.settings.keys.web_file)))
    except self_test.OtherKeys as error:
        raise click.ClickException(str(error)) from error
    host, _, port = context.settings.listen.rpartition(":")
    try_to_listen(host.strip("[]"), int(port), "PORTAL_LISTEN")
    processes = processes or len(os.sched_getaffinity(0))
    # The server's own loader would look in the working directory first.
    server("wsgi:app", host.strip("[]"), int(port), processes).serve(target_loader=resolve_name)


def try_to_listen(host: str, port: int, setting: str) -> None:
    """Raise ClickException if the address cannot be bound, which the server itself would not explain."""
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        raise click.ClickException(
            f"{setting}: cannot listen on {host} port {port} ({error.strerror}). "
            "Set a free address of this machine."
        ) from error


def server(target: str, host: str, port: int, processes: int) -> "MPServer":
    """Return the production web server for `target`, `module:application`."""
    from granian.constants import Interfaces  # noqa: PLC0415 - only the server itself needs it
    from granian.server import MPServer  # noqa: PLC0415

    return MPServer(
        target,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=processes,
        blocking_threads=THREADS,
        log_access=False,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
        process_name="portal",
    )


def refusals(settings: Settings) -> list[str]:
    """Return the reasons why the web server must not start; empty if it may."""
    faults = []
    try:
        keys.read_web(settings.keys.web_file)
    except keys.KeysInvalid as error:
        faults.append(str(error))
    if settings.production and not settings.keys.embedded and os.access(settings.keys.worker_file, os.R_OK):
        faults.append(
            "PORTAL_WORKER_KEYS_FILE: the web server's user can read the worker's keys in "
            f"{settings.keys.worker_file}. Run as root: chown portal-worker {settings.keys.worker_file} && "
            f"chmod 0400 {settings.keys.worker_file}; or set PORTAL_EMBEDDED=1, whose price is in "
            "docs/guide/install.md."
        )
    exposed = {f"{PREFIX}{name}" for name in settings.identity.exposed}
    try:
        registry.capabilities(settings)
        exposed.update(registry.exposed(settings))
    except StoreFault as fault:
        faults.append(str(fault))
    if settings.production and not settings.keys.embedded:
        faults += [
            f"{name}: the web server's user can read it, and must not reach your customers' accounts. "
            "Put it into worker.env, or into a file that portal-worker alone can read."
            for name in sorted(exposed)
        ]
    faults += [f"{setting}: {path} {why}." for setting, path, why in lists.faults(settings.passwords)]
    return faults
