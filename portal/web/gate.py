"""Bound how many forms a process works on at once, so that reading always finds a thread.

A form may wait: for a hash slot, or for the database's write lock. A page to read must not wait behind it.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from io import BytesIO
from secrets import randbelow
from threading import Lock
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# The threads of a web process. Forms get half of them in all, and a network a quarter of that.
THREADS = 16
TICKETS = THREADS // 2
TICKETS_OF_NETWORK = TICKETS // 4
# Tickets that only one-click requests may take: mail programs do not ask again as people do.
TICKETS_OF_ONE_CLICK = 2
ONE_CLICK = "one click"  # holds them, where a network holds the others
READING = ("GET", "HEAD", "OPTIONS")
# Seconds. Clients that were refused together do not come back together.
SHORTEST_RETRY, LONGEST_RETRY = 2, 6

Page = tuple[list[tuple[str, str]], bytes]  # headers and body


class Gate:
    """WSGI middleware: every request that may change something takes a ticket, or gets 503 at once.

    It never waits, reads no body and counts nothing. `network` and `language` tell those of a request,
    `busy_page` makes the page of a language for requests without a ticket, and `one_click` are the beginnings
    of the paths of one-click requests (RFC 8058).
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        network: Callable[[WSGIEnvironment], str],
        language: Callable[[WSGIEnvironment], str],
        busy_page: Callable[[str], Page],
        one_click: tuple[str, ...],
    ) -> None:
        """Put the gate in front of `app`."""
        self._app = app
        self._network = network
        self._language = language
        self._busy_page = busy_page
        self._one_click = one_click
        self._lock = Lock()
        self._taken: Counter[str] = Counter()
        self._pages: dict[str, Page] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with the application's response, or with 503."""
        if environ["REQUEST_METHOD"] in READING:
            # A body here says nothing to any page, and waiting for one would hold a thread without a ticket.
            environ.pop("HTTP_TRANSFER_ENCODING", None)
            environ |= {"CONTENT_LENGTH": "0", "wsgi.input": BytesIO()}
            return self._app(environ, start_response)
        holder = self._take(environ)
        if holder is None:
            return self._refuse(environ, start_response)
        try:
            return self._app(environ, start_response)
        finally:
            with self._lock:
                self._taken[holder] -= 1
                if not self._taken[holder]:
                    del self._taken[holder]

    def _take(self, environ: WSGIEnvironment) -> str | None:
        """Take a ticket and return who holds it, or None if there is none."""
        network = self._network(environ)
        with self._lock:
            one_clicks = self._taken[ONE_CLICK]
            if one_clicks < TICKETS_OF_ONE_CLICK and environ["PATH_INFO"].startswith(self._one_click):
                holder = ONE_CLICK
            elif (
                self._taken.total() - one_clicks < TICKETS - TICKETS_OF_ONE_CLICK
                and self._taken[network] < TICKETS_OF_NETWORK
            ):
                holder = network
            else:
                return None
            self._taken[holder] += 1
            return holder

    def _refuse(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        language = self._language(environ)
        if language not in self._pages:
            self._pages[language] = self._busy_page(language)
        headers, body = self._pages[language]
        retry_after = SHORTEST_RETRY + randbelow(LONGEST_RETRY - SHORTEST_RETRY + 1)
        start_response("503 SERVICE UNAVAILABLE", [*headers, ("Retry-After", str(retry_after))])
        return [body]
