"""Bound how many forms a process works on at once, so that reading always finds a thread.

A form may wait: for a hash slot, or for the database's write lock. A page to read must not wait behind it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from secrets import randbelow
from threading import Lock
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# The threads of a web process. Forms get half of them in all, and a network a quarter of that.
THREADS = 16
TICKETS = THREADS // 2
TICKETS_OF_NETWORK = TICKETS // 4
READING = ("GET", "HEAD", "OPTIONS")
# Seconds. Clients that were refused together do not come back together.
SHORTEST_RETRY, LONGEST_RETRY = 2, 6

Page = tuple[list[tuple[str, str]], bytes]  # headers and body


class Gate:
    """WSGI middleware: every request that may change something takes a ticket, or gets 503 at once.

    It never waits, reads no body and counts nothing. `network` and `language` tell those of a request,
    `busy_page` makes the page of a language for requests without a ticket. `kept` is how many tickets only
    forms of a group may take, by its name, and `group` tells the group of a path, if it is of one.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        network: Callable[[WSGIEnvironment], str],
        language: Callable[[WSGIEnvironment], str],
        busy_page: Callable[[str], Page],
        kept: Mapping[str, int],
        group: Callable[[str], str | None],
    ) -> None:
        """Put the gate in front of `app`."""
        self._app = app
        self._network = network
        self._language = language
        self._busy_page = busy_page
        self._kept = kept
        self._group = group
        self._lock = Lock()
        self._taken: Counter[str] = Counter()  # by network
        self._taken_of_kept: Counter[str] = Counter()  # by group
        self._pages: dict[str, Page] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with the application's response, or with 503."""
        if environ["REQUEST_METHOD"] in READING:
            # A body here says nothing to any page, and waiting for one would hold a thread without a ticket.
            environ.pop("HTTP_TRANSFER_ENCODING", None)
            environ |= {"CONTENT_LENGTH": "0", "wsgi.input": BytesIO()}
            return self._app(environ, start_response)
        taken = self._take(environ)
        if taken is None:
            return self._refuse(environ, start_response)
        holders, holder = taken
        try:
            return self._app(environ, start_response)
        finally:
            with self._lock:
                holders[holder] -= 1
                if not holders[holder]:
                    del holders[holder]

    def _take(self, environ: WSGIEnvironment) -> tuple[Counter[str], str] | None:
        """Take a ticket and return who holds it, or None if there is none."""
        network, group = self._network(environ), self._group(environ["PATH_INFO"])
        with self._lock:
            if group is not None and self._taken_of_kept[group] < self._kept[group]:
                taken = self._taken_of_kept, group
            elif (
                self._taken.total() < TICKETS - sum(self._kept.values())
                and self._taken[network] < TICKETS_OF_NETWORK
            ):
                taken = self._taken, network
            else:
                return None
            taken[0][taken[1]] += 1
            return taken

    def _refuse(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        language = self._language(environ)
        if language not in self._pages:
            self._pages[language] = self._busy_page(language)
        headers, body = self._pages[language]
        retry_after = SHORTEST_RETRY + randbelow(LONGEST_RETRY - SHORTEST_RETRY + 1)
        start_response("503 SERVICE UNAVAILABLE", [*headers, ("Retry-After", str(retry_after))])
        return [body]
