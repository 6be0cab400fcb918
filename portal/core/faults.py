"""Describe an unexpected error for a log by types and frames: its message may quote stored values.

And read JSON that is stored in a column: what somebody else wrote there is a named row, and no fault.
"""

import json
import logging
import re
import sqlite3
import traceback
from pathlib import Path
from textwrap import shorten
from typing import Any

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

log = logging.getLogger("portal.stored")

# What SQLite's errors mean to an operator, by code; {} is the database file.
_SQLITE = {
    sqlite3.SQLITE_BUSY: "{} is locked by other processes; try again",
    sqlite3.SQLITE_CANTOPEN: "{} cannot be opened",
    sqlite3.SQLITE_CORRUPT: "{} is corrupt; restore a backup with portal db restore",
    sqlite3.SQLITE_FULL: "the disk of {} is full; free some space",
    sqlite3.SQLITE_IOERR: "the disk of {} failed, or is full",
    sqlite3.SQLITE_NOTADB: "{} is not an SQLite database; check PORTAL_DATABASE_URL",
    sqlite3.SQLITE_READONLY: "{} is read-only for this user",
}
_DISK_FULL = "53100"  # PostgreSQL's SQLSTATE disk_full
_LOCK_NOT_AVAILABLE = "55P03"
_PREFIX = re.compile(r"^(?:.*?connection )?(?:failed: )?(?:connection )?to server .*? failed: ")
_WITHOUT_NEWS = ("Is the server running", "Multiple connection attempts failed")
_LONGEST_WORDS = 200


def error_types(error: BaseException) -> str:
    """Return `Type: Cause`: the error's type and the driver's error or the cause behind it, or `-`."""
    if isinstance(error, DBAPIError):
        return f"{type(error).__name__}: {database_cause(error)}"
    cause = error.__cause__
    return f"{type(error).__name__}: {'-' if cause is None else type(cause).__name__}"


def database_cause(error: DBAPIError) -> str:
    """Return what the driver calls the error: `SQLITE_FULL`, `SQLSTATE 53100 DiskFull`, or else its type."""
    name: str = getattr(error.orig, "sqlite_errorname", "")
    state: str = getattr(error.orig, "sqlstate", None) or ""
    words = _connection_words(error) if not (name or state) else ""
    return name or f"{f'SQLSTATE {state} ' if state else ''}{type(error.orig).__name__}{words}"


def _connection_words(error: DBAPIError) -> str:
    """Return why no connection was made, as libpq says it: it quotes host, user and database at most.

    Without a statement there are no values that it could quote.
    """
    if not isinstance(error, OperationalError) or error.statement is not None:
        return ""
    said = [_PREFIX.sub("", line.strip(" -\t")) for line in str(error.orig).splitlines()]
    kept = dict.fromkeys(line for line in said if line and not line.startswith(_WITHOUT_NEWS))
    return f": {shorten('; '.join(kept), _LONGEST_WORDS, placeholder='…')}" if kept else ""


def database_message(error: DBAPIError, file: Path | None) -> str:
    """Return what failed and its cause, without a full stop; `file` is the SQLite database's."""
    if getattr(error.orig, "sqlstate", None) == _DISK_FULL:
        meaning = "the disk of PostgreSQL is full; free some space"
    else:
        meaning = _SQLITE.get(_sqlite_code(error), "the database failed").format(file or "the database")
    return f"{meaning} ({database_cause(error)})"


def is_busy(error: DBAPIError) -> bool:
    """Return whether another transaction held a lock for too long."""
    busy = _sqlite_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return busy or getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE


def is_disk_full(error: DBAPIError) -> bool:
    """Return whether the database's disk has no room left, or fails: SQLite cannot always tell."""
    full = _sqlite_code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
    return full or getattr(error.orig, "sqlstate", None) == _DISK_FULL


def is_read_only(error: DBAPIError) -> bool:
    """Return whether this user may not write the SQLite file, or one beside it."""
    return _sqlite_code(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


def _sqlite_code(error: DBAPIError) -> int:
    """Return SQLite's primary result code, without the extended bits, or 0."""
    return int(getattr(error.orig, "sqlite_errorcode", 0)) & 0xFF


def frames(error: BaseException) -> str:
    """Return where an error was raised: file, line and function of each frame, no source and no values.

    Empty for a database that is locked or cannot be reached: that is expected, and its type says all.
    """
    if isinstance(error, OperationalError | InterfaceError):
        return ""
    places = traceback.extract_tb(error.__traceback__)
    return "".join(f"\n  {place.filename}:{place.lineno} in {place.name}" for place in places)


class RowUnreadable(ValueError):
    """A column holds something else than the portal writes; `place` names the table and the row."""

    def __init__(self, place: str) -> None:
        """Store the place."""
        self.place = place
        super().__init__(f"{place} cannot be read")


def parsed(text: str | None, table: str, row: bytes | str | int) -> dict[str, Any]:
    """Return the object that a column holds as JSON, none if empty. Raises RowUnreadable, and logs it."""
    try:
        content = json.loads(text or "{}")
        if isinstance(content, dict):
            return content
    except (ValueError, TypeError, RecursionError):
        pass
    place = f"{table} {bytes(row).hex() if isinstance(row, (bytes, memoryview)) else row}"
    log.error("the row %s was altered outside of the portal; find out who can write to the database", place)
    raise RowUnreadable(place)
