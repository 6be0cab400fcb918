"""Check and upgrade the database's schema version."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from textwrap import shorten
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from portal.core.db import BUSY_MILLISECONDS, WRITING, Database
from portal.core.faults import database_cause, is_disk_full
from portal.core.shipped import MIGRATIONS

if TYPE_CHECKING:
    from alembic.config import Config

BEHIND = "is not at this version; run: portal db upgrade"
AHEAD = (
    "is of a newer version of the portal: install that version again, "
    "or restore a backup from before its upgrade"
)
# The advisory lock of upgrades. Its number is arbitrary but fixed: any two versions must exclude each other.
ADVISORY = "pg_advisory_xact_lock"
ADVISORY_LOCK = 0x706F7274616C  # "portal"
BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
SHOWN_LENGTH = 100  # of a statement, in messages


class DatabaseNewer(Exception):
    """The database has a migration that this version of the portal does not know."""


class UpgradeBlocked(Exception):
    """The upgrade was rolled back; the message says what blocked it and what to do."""


@dataclass(frozen=True)
class Timeouts:
    """How long an upgrade waits on PostgreSQL, in ms. On SQLite BUSY_MILLISECONDS applies to its one lock."""

    # For another upgrade to end. Nothing queues behind this wait, so it may last as long as on SQLite.
    turn: int = BUSY_MILLISECONDS
    # For a table. Short, because every reader and writer of the table queues behind a waiting ALTER TABLE.
    lock: int = 5_000
    # For one statement, which keeps others from the table while it runs. Long enough to rewrite or index some
    # millions of rows; bounded, so that an upgrade gone wrong ends by itself. A migration that needs longer
    # overrides it with SET LOCAL.
    statement: int = 600_000


TIMEOUTS = Timeouts()


def alembic_config() -> "Config":
    """Return Alembic's configuration, with the folder of the migrations."""
    from alembic.config import Config  # noqa: PLC0415 - no other command needs it, and it is slow to import

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def upgrade(db: Database, revision: str = "head", timeouts: Timeouts = TIMEOUTS) -> None:
    """Migrate the database to `revision`, by default this version's, in one transaction. Safe to repeat.

    Either every pending migration takes effect or none does: a half-upgraded database would fit neither the
    old code nor the new. Raises DatabaseNewer, UpgradeBlocked, DBAPIError.
    """
    with (
        _explain_waits(timeouts),
        db.engine.connect().execution_options(**WRITING) as connection,
        connection.begin(),
    ):
        if not db.is_sqlite:  # on SQLite the transaction itself holds the one lock
            _lock(connection, timeouts)
        if _fault(connection) == AHEAD:
            raise DatabaseNewer
        from alembic import command  # noqa: PLC0415

        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def fault_of(db: Database) -> str | None:
    """Return what is wrong with the database's version, as a predicate, or None. Raises DBAPIError."""
    with db.engine.connect() as connection:
        return _fault(connection)


def _fault(connection: Connection) -> str | None:
    known = revisions()
    stored = []
    if inspect(connection).has_table("alembic_version"):
        stored = list(connection.scalars(text("SELECT version_num FROM alembic_version")))
    if stored == [known[-1]]:
        return None
    return BEHIND if set(stored) <= set(known) else AHEAD


def _lock(connection: Connection, timeouts: Timeouts) -> None:
    """Exclude other upgrades and limit every wait, until the transaction ends."""
    _set_local(connection, "statement_timeout", timeouts.statement)
    _set_local(connection, "lock_timeout", timeouts.turn)
    connection.execute(text(f"SELECT {ADVISORY}(:lock)"), {"lock": ADVISORY_LOCK})
    _set_local(connection, "lock_timeout", timeouts.lock)


def _set_local(connection: Connection, name: str, milliseconds: int) -> None:
    """Set a time-out for this transaction, like SET LOCAL, which takes no parameters."""
    connection.execute(
        text("SELECT set_config(:name, :value, true)"), {"name": name, "value": str(milliseconds)}
    )


@contextmanager
def _explain_waits(timeouts: Timeouts) -> Iterator[None]:
    """Raise UpgradeBlocked where a lock or a statement timed out, or the disk is full."""
    try:
        yield
    except DBAPIError as error:
        if (obstacle := _obstacle(error, timeouts)) is None:
            raise
        cause, remedy = obstacle
        raise UpgradeBlocked(f"{cause} Nothing was changed. {remedy}, then run: portal db upgrade") from error


def _obstacle(error: DBAPIError, timeouts: Timeouts) -> tuple[str, str] | None:
    """Return (cause, remedy) of a full disk, a lock or a time-out, or None for any other error."""
    if is_disk_full(error):
        return (
            f"The disk of the database is full, or fails ({database_cause(error)}).",
            "Free as much room as the database itself takes",
        )
    if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in BUSY:
        return "Other processes were writing the database all the time.", "Stop portal worker"
    statement = shorten(error.statement or "", SHOWN_LENGTH, placeholder=" ...")
    match getattr(error.orig, "sqlstate", None):
        case "55P03" if ADVISORY in statement:  # lock_not_available
            return "Another upgrade of this database is running.", "Wait until it has ended"
        case "55P03" | "40P01":  # lock_not_available, deadlock_detected
            return (
                f"Another connection holds a lock that this statement needs: {statement}.",
                "Stop portal worker, portal serve and whatever else uses the database (pg_dump, psql)",
            )
        case "57014":  # query_canceled
            return (
                f"A statement took over {timeouts.statement / 1000:g} s or was cancelled: {statement}.",
                "Stop portal worker, portal serve and whatever else keeps the database busy",
            )
    return None


@cache
def revisions() -> tuple[str, ...]:
    """Return every revision that this version knows, oldest first: each is named as its file."""
    return tuple(sorted(file.stem for file in (MIGRATIONS / "versions").glob("[0-9]*.py")))
