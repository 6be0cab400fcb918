"""Keeps rendered pages in this process for as long as nothing new became public."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from portal.incidents.models import Content
from portal.kit.db import Database

MOST_PAGES = 1_000
AFTER_FAULT_SECONDS = 1.0
_NUMBER = select(Content.number)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page ready to be sent: with its headers, and those of an answer that it is still the same."""

    body: bytes
    headers: list[tuple[str, str]]
    unchanged: list[tuple[str, str]]
    etag: str


class PageCache:
    """Rendered pages by path and language.

    `look_seconds` is how long what is public may go unnoticed. Where the database is gone, what was rendered
    before is still served: the public pages outlive it.
    """

    def __init__(self, db: Database, look_seconds: float) -> None:
        """Begin empty."""
        self._db = db
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
            number = self._look()
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

    def _look(self) -> int:
        with self._db.engine.connect() as connection:
            return connection.execute(_NUMBER).scalar_one()
