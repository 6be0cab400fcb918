"""Run the portal's own server and worker as processes, for the demonstration and for a rehearsal."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import click

from portal.demo.mailbox import HOST

START_SECONDS = 30
STOP_SECONDS = 15


@contextmanager
def running(command: str, environ: dict[str, str], log: BinaryIO) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `portal COMMAND` until the block ends, then ask it to stop."""
    arguments = [str(Path(sys.executable).with_name("portal")), command]
    # A new session: Ctrl-C reaches only this process, which then ends the children in order.
    process = subprocess.Popen(  # noqa: S603 - ours
        arguments, env=environ, start_new_session=True, stdout=log, stderr=log
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_up(port: int, server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until the web server answers. Raises ClickException, after printing the log, if it does not."""
    deadline = time.monotonic() + START_SECONDS
    direct = build_opener(ProxyHandler({}))  # a proxy does not reach this machine
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with direct.open(f"http://localhost:{port}/healthz", timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    click.echo(log.read_text(encoding="utf-8", errors="replace"), err=True)
    message = "The web server did not start; its log is above."
    raise click.ClickException(message)


def wait_for_stop(server: "subprocess.Popen[bytes]", say: Callable[[], None]) -> None:
    """Wait for Ctrl-C or SIGTERM, or for the end of the web server; `say` is called once both are awaited."""
    stopped = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopped
        stopped = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    say()
    while not stopped and server.poll() is None:
        time.sleep(0.2)


def is_free(port: int) -> bool:
    """Return whether a port of this machine can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port of this machine that is free at present."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
