"""A cache of rendered pages in this process, valid until something new is published."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from sqlalchemy.exc import DBAPIError

MOST_PAGES = 1_000
AFTER_FAULT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page ready to be sent: with its headers, and those of an answer that it is still the same."""

    body: bytes
    headers: list[tuple[str, str]]
    unchanged: list[tuple[str, str]]
    etag: str


class PageCache:
    """Rendered pages by path and language.

    `content_number` reads the number that grows with each publication; it is asked at most once in
    `look_seconds`. While the database fails, pages rendered before are still served.
    """

    def __init__(self, content_number: Callable[[], int], look_seconds: float) -> None:
        """Start empty."""
        self._content_number = content_number
        self._look_seconds = look_seconds
        self._number = -1
        self._looked_at = float("-inf")
        self._pages: dict[tuple[str, str], Rendered] = {}
        self._looking = Lock()

    def get(self, path: str, language: str, render: Callable[[], Rendered]) -> Rendered:
        """Return a page, rendered anew where something became public since."""
        pages = self._current()
        found = pages.get((path, language))
        if found is None:
            found = render()
            if len(pages) >= MOST_PAGES:
                pages.clear()
            pages[path, language] = found
        return found

    def _current(self) -> dict[tuple[str, str], Rendered]:
        """Return the pages that are still true; one thread looks at a time, and nobody waits for it."""
        if time.monotonic() - self._looked_at < self._look_seconds:
            return self._pages
        if not self._looking.acquire(blocking=not self._pages):
            return self._pages
        try:
            number = self._content_number()
            self._looked_at = time.monotonic()
            if number != self._number:
                self._number, self._pages = number, {}
        except DBAPIError:
            if not self._pages:
                raise
            self._looked_at = time.monotonic() + AFTER_FAULT_SECONDS
        finally:
            self._looking.release()
        return self._pages
