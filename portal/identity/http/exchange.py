"""One request to the company's server and its answer, within a deadline, over connections that are kept.

What an error means depends on when it came: before anything was sent, nothing happened. Only the worker
imports this.
"""

import socket
import ssl
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from threading import Timer
from time import monotonic
from urllib.parse import urlsplit
from weakref import finalize

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from portal.identity.http.answers import MAX_ANSWER, Answer, DeadlineExceeded, Interrupted
from portal.identity.ports import StoreFault, StoreUnavailable

CONNECT_SECONDS = 2.0
# Proxies and firewalls forget a connection that says nothing for longer, some without telling.
IDLE_SECONDS = 20.0


class Exchange:
    """Requests to one server. Thread-safe. It follows no redirect and heeds no proxy of the environment."""

    def __init__(self, url: str, ca_file: Path | None) -> None:
        """Read the certificates: those of the file, or else the system's. Connects later."""
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname or "", parts.port, parts.path.rstrip("/")
        self._tls = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        self._idle: deque[tuple[float, HTTPConnection]] = deque()
        finalize(self, _close, self._idle)

    def post(self, path: str, body: bytes, headers: Mapping[str, str], deadline: float) -> Answer:
        """Return the answer to a request, by a monotonic deadline.

        Raises StoreUnavailable or StoreFault where nothing was sent, and else Interrupted.
        """
        connection = self._take(deadline)
        try:
            with _cut_at(deadline, connection):
                connection.request(
                    "POST",
                    self._path + path,
                    body=body,
                    headers=headers,
                    preload_content=False,
                    decode_content=False,
                )
                response = connection.getresponse()
                answer = Answer(
                    response.status, response.headers.get("content-type", "").lower(), _body(response)
                )
        except (HTTPError, HTTPException, OSError) as error:
            connection.close()
            if monotonic() >= deadline:
                raise DeadlineExceeded("gave no whole answer in time") from error
            raise Interrupted(f"broke the connection ({type(error).__name__})") from error
        if monotonic() >= deadline:  # the connection was cut: what was read may end early
            connection.close()
            raise DeadlineExceeded("gave no whole answer in time")
        if answer.too_long or connection.sock is None:
            connection.close()
        else:
            self._idle.append((monotonic(), connection))
        return answer

    def _take(self, deadline: float) -> HTTPConnection:
        """Return a connection that was kept, or a new one. Raises StoreUnavailable, StoreFault."""
        while self._idle:
            with suppress(IndexError):  # another thread took the last one
                since, connection = self._idle.pop()
                if monotonic() - since < IDLE_SECONDS and connection.is_connected:
                    return connection
                connection.close()
        connection = self._new()
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            raise StoreFault(f"certificate refused: {error.verify_message.rstrip('.')}") from error
        except (HTTPError, OSError) as error:
            raise StoreUnavailable(
                f"no connection to the address in PORTAL_IDENTITY_HTTP_URL ({type(error).__name__})"
            ) from error
        if monotonic() >= deadline:  # resolving a name has no time-out of its own
            connection.close()
            raise StoreUnavailable("no connection in time")
        return connection

    def _new(self) -> HTTPConnection:
        if self._tls is None:
            return HTTPConnection(self._host, self._port, timeout=CONNECT_SECONDS)
        return HTTPSConnection(self._host, self._port, timeout=CONNECT_SECONDS, ssl_context=self._tls)


@contextmanager
def _cut_at(deadline: float, connection: HTTPConnection) -> Iterator[None]:
    """Cut the connection at the deadline: a socket's own time-out starts anew with every byte."""
    sock = connection.sock
    assert sock is not None  # noqa: S101 - `_take` connected it
    connection.timeout = max(deadline - monotonic(), 0.001)
    sock.settimeout(connection.timeout)
    timer = Timer(connection.timeout, _cut, [sock])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(sock: socket.socket) -> None:
    # The plain method: that of a TLS socket would take its state away from the thread that reads.
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _close(idle: deque[tuple[float, HTTPConnection]]) -> None:
    for _, connection in idle:
        connection.close()


def _body(response: BaseHTTPResponse) -> bytes:
    body = b""
    while part := response.read(MAX_ANSWER + 1 - len(body)):
        body += part
    return body
