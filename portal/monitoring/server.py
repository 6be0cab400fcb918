"""Serve /metrics from the worker, in a thread that a slow or hostile client cannot make matter to it."""

import logging
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread, Timer
from typing import Any

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from portal.core.faults import error_types
from portal.monitoring.metrics import Metrics

log = logging.getLogger("portal.metrics")

PATH = "/metrics"
# A client that has neither asked nor read by then is dropped: one is served at a time.
SECONDS = 5.0


class _Handler(BaseHTTPRequestHandler):
    """Answers GET /metrics, one request a connection, and logs no client."""

    server: "_Server"
    server_version, sys_version = "portal", ""

    def do_GET(self) -> None:
        """Send the metrics."""
        if self.path != PATH:
            self.send_error(404)
            return
        body = self.server.metrics.text()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing: a scrape every 15 seconds is no news."""


class _Server(HTTPServer):
    request_queue_size = 16

    def __init__(self, host: str, port: int, metrics: Metrics, seconds: float) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.metrics = metrics
        self._seconds = seconds
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without asking a name server for this machine's name, as the base class does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Handle one connection, which is cut after some seconds however it drips."""
        timer = Timer(self._seconds, _cut, (request,))
        timer.daemon = True
        timer.start()
        try:
            super().finish_request(request, client_address)
        finally:
            timer.cancel()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's
        """Log the type of what went wrong; a client that went away is no news."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            log.error("metrics: a request failed (%s)", error_types(error))


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended by itself


@contextmanager
def serving(listen: str, metrics: Metrics, seconds: float = SECONDS) -> Iterator[None]:
    """Serve the metrics at `host:port` until the block ends; nothing where `listen` is empty.

    Without the port the worker works all the same: mail matters more than a figure.
    """
    if not listen:
        yield
        return
    host, _, port = listen.rpartition(":")
    try:
        server = _Server(host.strip("[]"), int(port), metrics, seconds)
    except OSError as error:
        log.error("metrics: PORTAL_METRICS_LISTEN: cannot listen on %s (%s)", listen, error.strerror)
        yield
        return
    thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
