"""Generate load on keep-alive connections to a server on this machine."""

import asyncio
import re
import time
from itertools import cycle
from urllib.parse import quote
from urllib.request import Request, urlopen

HOST = "127.0.0.1"
CONNECTIONS = 16
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class _Visitor(asyncio.Protocol):
    """Sends a request, waits for the complete response, and sends the next."""

    def __init__(self, requests: "cycle[bytes]", expected: bytes, until: float) -> None:
        self.requests = requests
        self.expected = expected
        self.until = until
        self.answered = 0
        self.waiting = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        head, found, body = self.waiting.partition(b"\r\n\r\n")
        if not found:
            return
        if self.expected not in head.partition(b"\r\n")[0]:
            self._end(RuntimeError(f"the server answered {head[:60]!r}"))
            return
        length = _LENGTH.search(head)
        if len(body) < (int(length[1]) if length else 0):
            return
        self.waiting = b""
        self.answered += 1
        if time.perf_counter() < self.until:
            self._next()
        else:
            self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("the server closed the connection"))

    def _next(self) -> None:
        assert isinstance(self.transport, asyncio.WriteTransport)
        self.transport.write(next(self.requests))

    def _end(self, error: Exception | None) -> None:
        if not self.done.done():
            self.transport.close()
            self.done.set_exception(error) if error else self.done.set_result(None)


def rate(port: int, requests: list[bytes], *, expected: int = 200, seconds: float = 3.0) -> float:
    """Return how many requests per second the server on `port` answers with the expected status."""

    async def visit() -> float:
        loop = asyncio.get_running_loop()
        begin = time.perf_counter()
        visitors = []
        for _ in range(CONNECTIONS):
            _transport, visitor = await loop.create_connection(
                lambda: _Visitor(cycle(requests), str(expected).encode(), begin + seconds), HOST, port
            )
            visitors.append(visitor)
        await asyncio.gather(*(visitor.done for visitor in visitors))
        return sum(visitor.answered for visitor in visitors) / (time.perf_counter() - begin)

    return asyncio.run(visit())


def get(path: str, **headers: str) -> bytes:
    """Return the bytes of a GET request."""
    return _request("GET", path, b"", headers)


def post(path: str, body: str, **headers: str) -> bytes:
    """Return the bytes of a form's POST request."""
    return _request(
        "POST", path, body.encode(), {"Content_Type": "application/x-www-form-urlencoded", **headers}
    )


def read_form(port: int, path: str) -> tuple[str, str]:
    """Open a form's page; return its CSRF token, percent-encoded, and the session cookie."""
    asked = Request(f"http://127.0.0.1:{port}{path}", headers={"Host": "localhost"})
    with urlopen(asked) as answer:
        page = answer.read().decode()
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    if found is None:
        raise LookupError(f"{path} has no CSRF token")
    return quote(found[1]), cookie


def _request(method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
