"""Check before an import, and during it, that its disk has the room that it needs.

A full disk stops every form, and leaves no room to delete what the import has stored: deleting writes too.
"""

import logging
from collections.abc import Iterable, Iterator
from typing import TypeVar

from sqlalchemy import text

from portal.core.db import Database, sqlite_file
from portal.core.disk_space import free_bytes, readable
from portal.people_files.formats.opening import rows_at_most
from portal.people_files.formats.streamed import Input
from portal.people_files.sorting import sort_folder

log = logging.getLogger("portal.import")

Row = TypeVar("Row")

# Left free while importing: enough to delete what was stored, through SQLite's log, while forms go on.
MAX_RESERVE_BYTES = 32 << 20
MIN_RESERVE_BYTES = 2 << 20
# How much SQLite's log may grow beside the table itself.
MAX_LOG_BYTES = 16 << 20
ROWS_BETWEEN_CHECKS = 4_000


class NoRoom(Exception):
    """The disk has too little room for an import; the message says how much it needs and has."""


class Room:
    """The room for importing `file`: its rows are sorted on the disk, and stored there on SQLite.

    `sorted_bytes` and `stored_bytes` are what one row takes there; what was sorted is freed while it is
    stored. With PostgreSQL, only the room to sort is known.
    """

    def __init__(self, db: Database, file: Input, *, sorted_bytes: int, stored_bytes: int) -> None:
        """Count the lines of `file`, which takes a second per gigabyte."""
        self._db = db
        self._database = sqlite_file(db.engine.url)
        self._folder = sort_folder(db)
        rows = rows_at_most(file)
        self._sorted = rows * sorted_bytes
        self._stored = 0 if self._database is None else rows * stored_bytes
        self._reserve = min(MIN_RESERVE_BYTES + self._stored, MAX_RESERVE_BYTES)

    def check(self, *, dry_run: bool) -> None:
        """Log how much room the import needs at most. Raises NoRoom."""
        needed = self._sorted + MIN_RESERVE_BYTES
        if self._stored and not dry_run:
            log_bytes = min(self._stored, MAX_LOG_BYTES)
            needed = max(self._sorted, self._stored - self._unused_pages()) + log_bytes + self._reserve
        free = free_bytes(self._folder)
        said = f"needs up to {readable(needed)} on the disk of {self._folder}, and {readable(free)} are free"
        if free < needed:
            raise NoRoom(f"The import {said}. Free some space.")
        log.info("import: %s", said)

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows to be stored. Raises NoRoom where only the reserve is left."""
        for number, row in enumerate(rows):
            if self._stored and not number % ROWS_BETWEEN_CHECKS:
                free = free_bytes(self._folder)
                if free < self._reserve:
                    raise NoRoom(
                        f"Only {readable(free)} are left on the disk of {self._folder}: something else has "
                        "filled it. Free some space."
                    )
            yield row

    def _unused_pages(self) -> int:
        """Return how many bytes of the SQLite file are free for new rows."""
        with self._db.read() as session:
            pages = session.scalar(text("PRAGMA freelist_count")) or 0
            return pages * (session.scalar(text("PRAGMA page_size")) or 0)
