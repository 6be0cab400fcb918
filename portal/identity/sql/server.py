"""Run short transactions in the company's database, none of which takes longer than a call may."""

import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Lock, Timer
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from portal.core.db import sqlite_file
from portal.identity.ports import OutcomeUnknown, StoreFault, StoreUnavailable

SECONDS = 4.0  # of the 10 that a person's request has, in which the store is asked twice
CONNECT_SECONDS = 2
# A busy pool has one connection for each thread of the worker; none is kept without use for longer.
CONNECTIONS, MORE_CONNECTIONS = 4, 16
IDLE_SECONDS = 60.0
# What PostgreSQL answers when an operator must look: wrong credentials, a missing database, table, column or
# right, a value that does not fit. Everything else may be over at the next try.
FAULTS = ("22", "23", "28", "3D", "42")
# A connection that is refused has no code, only words.
REFUSALS = (
    "password authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
)
SQLITE_FAULTS = ("no such", "readonly", "not a database", "constraint", "has no column")
VANISHED = ("42P01", "42703")  # a table, a column
FORBIDDEN = "42501"


class Vanished(Exception):
    """A table or a column is not there; the database does not say reliably which."""


class Server:
    """The company's database. Safe for the worker's threads.

    Raises StoreUnavailable, StoreFault and Vanished, which name no value; `write` raises OutcomeUnknown too.
    """

    def __init__(self, url: str, seconds: float = SECONDS) -> None:
        """Take the URL, without connecting yet; a transaction ends within `seconds`."""
        self._seconds = seconds
        self._engine = _engine(url, seconds)
        self.is_sqlite = self._engine.dialect.name == "sqlite"
        self._lock = Lock()
        self._used = 0.0
        self._tidier: Timer | None = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection for reading."""
        with self._transaction(writes=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that is committed at the end. Raises OutcomeUnknown.

        That stands for a commit whose answer did not come: what was done before it is rolled back.
        """
        with self._transaction(writes=True) as connection:
            yield connection
            try:
                connection.commit()
            except SQLAlchemyError as error:
                raise OutcomeUnknown("the database did not confirm a change") from error

    def close(self) -> None:
        """Close every connection that is not in use."""
        with self._lock:
            if self._tidier is not None:
                self._tidier.cancel()
                self._tidier = None
        self._engine.dispose()

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        try:
            with self._begun(writes=writes) as connection, _cut_off(connection, self._seconds):
                yield connection
        except PoolTimeout as error:
            raise StoreUnavailable("all connections to the company's database are busy") from error
        except DBAPIError as error:
            raise _meant(error) from error
        finally:
            self._tidy_later()

    def _begun(self, *, writes: bool) -> Connection:
        """Return a connection whose transaction has begun: a new one where that of the pool is broken.

        The pool's own ping would wait for a server that hangs for as long as it hangs.
        """
        for last in (False, True):
            connection = self._engine.connect()
            try:
                with _cut_off(connection, self._seconds / 4):
                    self._begin(connection, writes=writes)
            except DBAPIError as error:
                connection.close()
                if last or not error.connection_invalidated:
                    raise
            else:
                break
        return connection

    def _begin(self, connection: Connection, *, writes: bool) -> None:
        if self.is_sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
        else:
            connection.execute(_LIMITS, {"limit": str(int(self._seconds * 750))})

    def _tidy_later(self) -> None:
        with self._lock:
            self._used = monotonic()
            if self._tidier is None:
                self._start_tidier()

    def _start_tidier(self) -> None:
        self._tidier = Timer(IDLE_SECONDS, self._tidy)
        self._tidier.daemon = True
        self._tidier.start()

    def _tidy(self) -> None:
        """Close what is idle, once nobody has used it for a while."""
        with self._lock:
            if self._tidier is None:
                return
            if monotonic() - self._used < IDLE_SECONDS:
                self._start_tidier()
                return
            self._tidier = None
        self._engine.dispose()


# One answer instead of two; LOCAL, so that a pooler between the two hands nothing on.
_LIMITS = text(
    "SELECT set_config('statement_timeout', :limit, true), set_config('lock_timeout', :limit, true)"
)


def _engine(url: str, seconds: float) -> Engine:
    parsed = make_url(url)
    options: dict[str, Any] = {
        "hide_parameters": True,
        "pool_size": CONNECTIONS,
        "max_overflow": MORE_CONNECTIONS,
        "pool_timeout": seconds / 2,
    }
    if (file := sqlite_file(parsed)) is not None:
        # `rw`: a missing file is not created, for it is the company's.
        parsed = parsed.set(database=file.absolute().as_uri(), query={"mode": "rw", "uri": "true"})
        waiting = {"timeout": seconds / 2, "check_same_thread": False, "isolation_level": None}
        engine = create_engine(parsed, connect_args=waiting, **options)
        event.listen(engine, "connect", _read_any_text)
        return engine
    connecting = {
        "connect_timeout": CONNECT_SECONDS,
        "tcp_user_timeout": int(seconds * 1000),
        "application_name": "breach portal",
        "prepare_threshold": None,  # behind a pooler the next transaction may be on another server
    }
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    engine = create_engine(parsed, connect_args=connecting, **options)
    event.listen(engine, "connect", _read_any_bytes, insert=True)  # SQLAlchemy's own reads the version
    return engine


def _read_any_text(connection: Any, _record: object) -> None:
    """Read what is no text in SQLite's encoding with a mark, so that one odd row is no error of all."""
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")


def _read_any_bytes(connection: Any, _record: object) -> None:
    """Read the texts of a PostgreSQL without an encoding (SQL_ASCII) alike."""
    if connection.info.encoding == "ascii":
        from portal.identity.sql import unencoded  # noqa: PLC0415 - the web server needs no driver for it

        unencoded.read_as_utf8(connection)


@contextmanager
def _cut_off(connection: Connection, seconds: float) -> Iterator[None]:
    """Break the connection when the time is over: a server that hangs does not end its statements."""
    raw = connection.connection.driver_connection
    lock, over = Lock(), False

    def cut() -> None:
        with lock:
            if not over:
                _break(raw)

    timer = Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            over = True
        timer.cancel()


def _break(raw: Any) -> None:
    if isinstance(raw, sqlite3.Connection):
        raw.interrupt()
        return
    with suppress(OSError), socket.socket(fileno=os.dup(raw.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


def _meant(error: DBAPIError) -> Exception:
    """Return what a database's error means to callers, in words without any value."""
    code = getattr(error.orig, "sqlstate", None)
    words = str(error.orig)
    if code in VANISHED or "no such table" in words or "no such column" in words or "has no column" in words:
        return Vanished()
    if code == FORBIDDEN:
        return StoreFault(
            "the company's database refuses what the portal's role needs; see: portal identity grants"
        )
    if code is not None:
        kind = StoreFault if code.startswith(FAULTS) else StoreUnavailable
        return kind(f"the company's database answered with error {code}")
    if isinstance(error.orig, sqlite3.Error):
        name = getattr(error.orig, "sqlite_errorname", "SQLITE_ERROR")
        kind = StoreFault if any(fault in words for fault in SQLITE_FAULTS) else StoreUnavailable
        return kind(f"the company's database answered with error {name}")
    if any(refusal in words for refusal in REFUSALS):
        return StoreFault(
            "the company's database refuses the connection: the user, password or name in "
            "PORTAL_IDENTITY_SQL_URL is wrong"
        )
    return StoreUnavailable("the company's database cannot be reached")
