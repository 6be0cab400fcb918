"""Cache rendered pages in this process until something new is published."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from sqlalchemy.exc import DBAPIError

MAX_PAGES = 1_000
AFTER_FAULT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered page: body, headers, the headers of its 304 response, and ETag."""

    body: bytes
    headers: list[tuple[str, str]]
    unchanged: list[tuple[str, str]]
    etag: str


Pages = dict[tuple[str, ...], Rendered]


class PageCache:
    """Rendered pages by path and language.

    `content_version` returns a value that changes with what the pages show; it is called at most once per
    `look_seconds`. While the database fails, cached pages are still served.
    """

    def __init__(self, content_version: Callable[[], object], look_seconds: float) -> None:
        """Create an empty cache."""
        self._content_version = content_version
        self._look_seconds = look_seconds
        self._version: object = None
        self._looked_at = float("-inf")
        self._pages: Pages = {}
        self._check_lock = Lock()

    def get(self, path: str, language: str, render: Callable[[], Rendered]) -> Rendered:
        """Return the cached page, or render it where it is missing or something was published since."""
        pages = self.current()
        found = pages.get((path, language))
        if found is None:
            found = render()
            self.put(pages, (path, language), found)
        return found

    def put(self, pages: Pages, key: tuple[str, ...], page: Rendered) -> None:
        """Store a page among those that `current` returned before it was rendered."""
        if len(pages) >= MAX_PAGES:
            pages.clear()
        pages[key] = page

    def current(self) -> Pages:
        """Return the valid pages. One thread checks at a time; the others use the cache meanwhile."""
        if time.monotonic() - self._looked_at < self._look_seconds:
            return self._pages
        if not self._check_lock.acquire(blocking=not self._pages):
            return self._pages
        try:
            version = self._content_version()
            self._looked_at = time.monotonic()
            if version != self._version:
                self._version, self._pages = version, {}
        except DBAPIError:
            if not self._pages:
                raise
            self._looked_at = time.monotonic() + AFTER_FAULT_SECONDS
        finally:
            self._check_lock.release()
        return self._pages
