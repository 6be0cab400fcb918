"""The portal as an operator runs it: its commands, server and worker as processes of their own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

PORTAL = Path(sys.executable).with_name("portal")
ROOT = Path(__file__).parent.parent
START_SECONDS = 30
STOP_SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port where nobody answers: it is held meanwhile, so that no other process's server gets it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


def command(environ: Mapping[str, str], *arguments: str | Path) -> str:
    """Run `portal ARGUMENTS`, which must succeed; return what it printed."""
    finished = subprocess.run(
        [PORTAL, *arguments],
        env=_surroundings(environ),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, f"portal {arguments} failed:\n{finished.stdout}{finished.stderr}"
    return finished.stdout


@contextmanager
def started(environ: Mapping[str, str], log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `portal ARGUMENTS` until the block ends; it must then stop when asked to."""
    with (
        log.open("ab") as output,
        subprocess.Popen(
            [PORTAL, *arguments], env=_surroundings(environ), cwd=ROOT, stdout=output, stderr=output
        ) as process,
    ):
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


@contextmanager
def serving(environ: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `portal serve` where PORTAL_LISTEN says, and wait until it answers."""
    with _serving(environ, log, "serve", environ["PORTAL_LISTEN"], environ["PORTAL_BASE_URL"]) as process:
        yield process


@contextmanager
def serving_console(environ: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `portal console` where PORTAL_CONSOLE_LISTEN says, and wait until it answers."""
    listen, url = environ["PORTAL_CONSOLE_LISTEN"], environ["PORTAL_CONSOLE_URL"]
    with _serving(environ, log, "console", listen, url) as process:
        yield process


@contextmanager
def _serving(
    environ: Mapping[str, str], log: Path, name: str, listen: str, url: str
) -> Iterator[subprocess.Popen[bytes]]:
    host, _, port = listen.rpartition(":")
    with started(environ, log, name) as process:
        end = time.monotonic() + START_SECONDS
        while not _answers(host, int(port), urlsplit(url).netloc):
            assert process.poll() is None, f"portal {name} ended:\n{log.read_text()}"
            assert time.monotonic() < end, f"portal {name} did not answer:\n{log.read_text()}"
            time.sleep(0.05)
        yield process


def working(environ: Mapping[str, str], log: Path):
    """Run `portal worker`."""
    return started(environ, log, "worker")


def _answers(host: str, port: int, name: str) -> bool:
    connection = HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/healthz", headers={"Host": name})
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _surroundings(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **environ}
