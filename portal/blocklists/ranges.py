"""Ask a service of range requests whether a password was stolen: only five digits of its hash leave.

The protocol is that of Pwned Passwords: GET /range/ABCDE answers with the other 35 digits of every hash that
begins so, each with a count. Padding, of count 0, hides from an observer how many there are.
"""

import re
import ssl
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha1
from http.client import HTTPException
from threading import BoundedSemaphore, Lock
from time import monotonic
from urllib.parse import urlsplit

PREFIX_DIGITS = 5
ANSWER = re.compile(rb"(?:[0-9A-Fa-f]{35}:[0-9]+\r?\n)*[0-9A-Fa-f]{35}:[0-9]+(?:\r?\n)?\Z")
MAX_ANSWER = 1 << 20  # they have 40 KB
PART = 1 << 16
AT_ONCE = 4
MAX_KEPT = 64
KEPT_SECONDS = 600.0
HEADERS = {"Add-Padding": "true", "User-Agent": "portal", "Accept-Encoding": "identity"}
OK = 200


class RangeUnavailable(Exception):
    """The service did not answer as it must; the message says how."""


class RangeService:
    """A service of range requests. Thread-safe.

    A caller waits for the time-out at most, and `AT_ONCE` of them at once. It follows no redirect, and heeds
    no proxy of the environment.
    """

    def __init__(self, url: str, seconds: float) -> None:
        """Take the URL that a prefix is added to. Connects later."""
        # Only the processes that ask need it.
        from urllib3 import HTTPConnectionPool, HTTPSConnectionPool  # noqa: PLC0415

        parts = urlsplit(url)
        self._path = parts.path.rstrip("/") + "/"
        self._seconds = seconds
        self._late = f"no whole answer in {seconds:g} seconds"
        self._pool: HTTPConnectionPool
        if parts.scheme == "https":
            context = ssl.create_default_context()
            self._pool = HTTPSConnectionPool(
                parts.hostname or "", parts.port, maxsize=AT_ONCE, ssl_context=context
            )
        else:
            self._pool = HTTPConnectionPool(parts.hostname or "", parts.port, maxsize=AT_ONCE)
        self._threads = ThreadPoolExecutor(AT_ONCE, "password range")
        self._free = BoundedSemaphore(AT_ONCE)
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._lock = Lock()

    def holds(self, password: str) -> bool:
        """Return whether the service has a password, in the form that is hashed. Raises RangeUnavailable."""
        digits = sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        prefix, suffix = digits[:PREFIX_DIGITS], digits[PREFIX_DIGITS:]
        answer = self._remembered(prefix)
        if answer is None:
            answer = self._asked(prefix)
            self._remember(prefix, answer)
        counted = re.search(rb"(?i)^" + suffix.encode() + rb":0*[1-9]", answer, re.MULTILINE)
        return counted is not None

    def _remembered(self, prefix: str) -> bytes | None:
        with self._lock:
            since, answer = self._kept.get(prefix, (0.0, b""))
        return answer if answer and monotonic() - since < KEPT_SECONDS else None

    def _remember(self, prefix: str, answer: bytes) -> None:
        with self._lock:
            self._kept[prefix] = (monotonic(), answer)
            self._kept.move_to_end(prefix)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)

    def _asked(self, prefix: str) -> bytes:
        """Ask in another thread: resolving a name has no time-out of its own."""
        if not self._free.acquire(blocking=False):
            raise RangeUnavailable(f"{AT_ONCE} requests are already waiting for it")
        future: Future[bytes] = self._threads.submit(self._request, prefix, monotonic() + self._seconds)
        future.add_done_callback(lambda _: self._free.release())
        try:
            return future.result(self._seconds)
        except TimeoutError as error:
            future.cancel()
            raise RangeUnavailable(self._late) from error

    def _request(self, prefix: str, deadline: float) -> bytes:
        from urllib3.exceptions import HTTPError, NewConnectionError  # noqa: PLC0415
        from urllib3.exceptions import TimeoutError as HTTPTimeoutError  # noqa: PLC0415
        from urllib3.util import Timeout  # noqa: PLC0415

        left = max(deadline - monotonic(), 0.001)
        try:
            response = self._pool.urlopen(
                "GET",
                self._path + prefix,
                headers=HEADERS,
                retries=False,
                redirect=False,
                timeout=Timeout(total=left),
                preload_content=False,
                decode_content=False,
            )
            try:
                answer = b""
                while part := response.read1(PART):
                    answer += part
                    if len(answer) > MAX_ANSWER or monotonic() > deadline:
                        break
            finally:
                response.release_conn() if not response.length_remaining else response.close()
        except (HTTPError, HTTPException, OSError) as error:
            if isinstance(error, HTTPTimeoutError) and not isinstance(error, NewConnectionError):
                raise RangeUnavailable(self._late) from error
            raise RangeUnavailable(f"the connection failed ({type(error).__name__})") from error
        if monotonic() > deadline:
            raise RangeUnavailable(self._late)
        if response.status != OK:
            raise RangeUnavailable(f"it answered with status {response.status}")
        framed = (
            "content-length" in response.headers or response.headers.get("transfer-encoding") == "chunked"
        )
        if not framed or len(answer) > MAX_ANSWER or not ANSWER.match(answer):
            raise RangeUnavailable("its answer is cut, or is not one of range requests")
        return answer
