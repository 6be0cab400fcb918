"""A service of range requests on loopback, which can fail in every way that such a service does."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


class RangeServer:
    """Knows some passwords. `fault` is the way in which it fails now; `asked` is what it was asked."""

    def __init__(self, *passwords: str) -> None:
        self.digits = [sha1(word.encode()).hexdigest().upper() for word in passwords]
        self.fault = ""
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.let_go = Event()
        self.url = ""

    def answer(self, prefix: str) -> bytes:
        """Return the hashes that begin so, and padding."""
        lines = [f"{digits[5:]}:3" for digits in self.digits if digits.startswith(prefix)]
        padding = [sha1(f"{prefix}{number}".encode()).hexdigest().upper()[5:] + ":0" for number in range(20)]
        return "\r\n".join([*lines, *padding]).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Serving"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""

    def do_GET(self) -> None:
        ranges = self.server.ranges
        ranges.asked.append((self.path, dict(self.headers)))
        body = ranges.answer(self.path.rpartition("/")[2])
        if not ranges.fault:
            self._begin(200, length=len(body))
            self.wfile.write(body)
            return
        self._fail(ranges, body)

    def _fail(self, ranges: RangeServer, body: bytes) -> None:
        match ranges.fault:
            case "silent":
                ranges.let_go.wait(60)
                self.close_connection = True
            case "drips":
                self._begin(200, length=len(body))
                while not ranges.let_go.wait(0.02):
                    self.wfile.write(b"0")
                self.close_connection = True
            case "cut":
                self._begin(200, length=len(body))
                self.wfile.write(body[:300])
                self.close_connection = True
            case "endless":
                self._begin(200)
                self.wfile.write(body[:300])
                self.close_connection = True
            case "moved":
                self._begin(302, length=0, location=f"{ranges.url}elsewhere/")
            case "error":
                self._begin(503, length=len(body))
                self.wfile.write(body)
            case other:
                large = (body + b"\r\n") * ((2 << 20) // len(body))
                wrong = {"page": b"<title>Sign in to this network</title>", "empty": b"", "large": large}[
                    other
                ]
                self._begin(200, length=len(wrong))
                self.wfile.write(wrong)

    def _begin(self, status: int, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


class Serving(ThreadingHTTPServer):
    daemon_threads = True
    ranges: RangeServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing where the portal hung up."""


@contextmanager
def serving(*passwords: str) -> Iterator[RangeServer]:
    ranges = RangeServer(*passwords)
    with Serving(("127.0.0.1", 0), Handler) as server:
        server.ranges = ranges
        ranges.url = f"http://127.0.0.1:{server.server_address[1]}/range/"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield ranges
        finally:
            ranges.let_go.set()
            server.shutdown()
            thread.join()
