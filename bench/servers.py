"""Start web servers for a benchmark: the shipped server with the portal or a peer, or another server."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import urlopen

from portal.core.settings import Settings
from portal.crypto import keys
from portal.runtime.context import Context

ROOT = Path(__file__).parent.parent
START_SECONDS = 30
STOP_SECONDS = 3
PROCESSES = 2
# As the shipped units and the container set it (decision 0078).
MEMORY = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
SERVE = (
    "import sys; from portal.serve import server; "
    "server(sys.argv[1], '127.0.0.1', int(sys.argv[2]), int(sys.argv[3])).serve()"
)


@contextmanager
def portal_settings(**more: str) -> Iterator[tuple[Settings, dict[str, str]]]:
    """Yield the settings of a portal in a temporary folder, and the environment they come from."""
    with TemporaryDirectory(prefix="portal-bench-") as name:
        folder = Path(name)
        keys.write_pair(*keys.generate(), folder / "web.json", folder / "worker.json")
        environ = {
            "PORTAL_ENVIRONMENT": "test",
            "PORTAL_BASE_URL": "http://localhost:8000",
            "PORTAL_DATABASE_URL": f"sqlite:///{folder / 'portal.db'}",
            "PORTAL_WEB_KEYS_FILE": str(folder / "web.json"),
            "PORTAL_WORKER_KEYS_FILE": str(folder / "worker.json"),
            "PORTAL_EMBEDDED": "1",
            "PORTAL_ORGANISATION": "Bench Ltd",
            "PORTAL_RATE_INTAKE_IP": "100000000 per hour",
            "PORTAL_ARGON2": "m=64,t=1,p=1",
            **more,
        }
        yield Settings.from_env(environ), environ


@contextmanager
def context_of(settings: Settings) -> Iterator[Context]:
    """Yield a command's context; close its database afterwards."""
    context = Context(settings)
    try:
        yield context
    finally:
        context.db.dispose()


def shipped(target: str, port: int) -> list[str]:
    """Return the command that serves `target` with the shipped server and its options."""
    return [sys.executable, "-c", SERVE, target, str(port), str(PROCESSES)]


@contextmanager
def serving(
    target: str, environ: dict[str, str], command: Callable[[str, int], list[str]] = shipped
) -> Iterator[int]:
    """Serve `target`, with the shipped server unless `command` names another; yield the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    arguments = command(target, port)
    nowhere = subprocess.DEVNULL
    environ = {**os.environ, **MEMORY, **environ}
    process = subprocess.Popen(
        arguments, env=environ, cwd=ROOT, stdout=nowhere, stderr=nowhere, start_new_session=True
    )
    try:
        _wait(port)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:  # it waits for keep-alive connections that are no longer used
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError("the server did not start")
