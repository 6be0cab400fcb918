"""Open transactions on SQLite or PostgreSQL."""

import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from copy import copy
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from secrets import token_bytes
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ARRAY,
    URL,
    ColumnElement,
    DateTime,
    Engine,
    LargeBinary,
    MetaData,
    Select,
    Table,
    any_,
    create_engine,
    event,
    literal,
    make_url,
    text,
)
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, ORMExecuteState, Session
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

ID_BYTES = 16
BUSY_MILLISECONDS = 15_000
# How long a person waits for a lock, or for a connection, before they are asked to try again.
WEB_BUSY_MILLISECONDS = 2_000
SHORT_MILLISECONDS = 100
# Of a web process: one for each of its 16 threads, and some for those in the background.
WEB_CONNECTIONS = 20
CONNECT_SECONDS = 5
# A server that vanished without a word is noticed after about 15 seconds. In the units of libpq.
POSTGRES = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}
SHORTEST_PAUSE = 0.05
LONGEST_PAUSE = 0.5
# SQLite creates files that only their owner may write. The umask can still take bits of this mode away.
FILE_MODE = 0o660
# What a session knows of who acts in it, for the audit log.
AUDITED = "audited"
WRITING = {"portal_writes": True}
MARKING = {"portal_writes": True, "portal_synchronous": "NORMAL"}
# For tables whose rows come from what people do. SQLite then stores them in the order of their keys, which
# are random or keyed hashes; otherwise it numbers them as they come. For PostgreSQL see `backup.vacuum`.
WITHOUT_ROWID = {"sqlite_with_rowid": False}


class Base(DeclarativeBase):
    """Base of every table; constraints get fixed names, so that migrations can refer to them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def insert(session: Session, table: type[Base]) -> "postgresql.Insert":
    """Return an INSERT in the dialect of the session's database, so that it can have ON CONFLICT.

    Typed as PostgreSQL's; SQLite's has the same `on_conflict_do_nothing` and `on_conflict_do_update`.
    """
    return insert_by(session.get_bind().dialect.name, table)


def insert_by(dialect: str, table: "type[Base] | Table") -> "postgresql.Insert":
    """Return an INSERT like `insert`, in the dialect of this name: for a statement that is built once."""
    statement: postgresql.Insert = import_module(f"sqlalchemy.dialects.{dialect}").insert(table)
    return statement


def among(session: Session, column: Mapped[Any], values: Collection[bytes]) -> ColumnElement[bool]:
    """Return that a column has one of these values, such as ids.

    On PostgreSQL they are one parameter: with hundreds, either side takes longer to read the statement than
    the server takes to answer it. It has the type of an array: of a text that is cast to one, the planner
    does not know how many it holds, and reads the whole table.
    """
    if session.get_bind().dialect.name == "sqlite":
        return column.in_(values)
    found: ColumnElement[bool] = column == any_(literal(list(values), ARRAY(LargeBinary)))
    return found


def insert_many(session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows with values for the same columns, by name: with one COPY on PostgreSQL."""
    if not rows:
        return
    connection = session.connection()
    described = Base.metadata.tables[table.__tablename__]
    if connection.dialect.name == "sqlite":
        connection.execute(described.insert(), rows)
        return
    columns = [described.c[name] for name in rows[0]]
    names = ", ".join(column.name for column in columns)
    raw = connection.connection.cursor()
    try:
        with raw.copy(f"COPY {table.__tablename__} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
            types = (column.type.compile(connection.dialect) for column in columns)
            copy.set_types([name.partition("(")[0].lower() for name in types])
            for row in rows:
                copy.write_row(tuple(row.values()))
    finally:
        raw.close()


class Utc(TypeDecorator[datetime]):
    """A timestamp in UTC: aware in Python on either database. Raises ValueError for a naive one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the value in UTC, naive for SQLite, which stores no zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = "naive datetime; pass one with a time zone"
            raise ValueError(message)
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002 - part of the interface
    ) -> datetime | None:
        """Return an aware datetime in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def new_id() -> bytes:
    """Return a new row id: 16 random bytes, which reveal neither order nor time."""
    return token_bytes(ID_BYTES)


@event.listens_for(Session, "do_orm_execute")
def _read_again_what_is_locked(execution: ORMExecuteState) -> None:
    """Have every session read again what it locks.

    A row that was read before it is locked would stay as it was then: who waited for the lock would not see
    what somebody else changed meanwhile, and overwrite it.
    """
    statement = execution.statement
    if isinstance(statement, Select) and statement._for_update_arg is not None:  # noqa: SLF001 - not public
        execution.update_execution_options(populate_existing=True)


class Database:
    """Opens transactions on the database at `url`, in SQLAlchemy's form; `postgresql://` means psycopg 3.

    In the web process, where `for_web`, a transaction waits two seconds for a lock, and so does a thread for
    one of the connections; else 15 seconds on SQLite, and without a limit on PostgreSQL.
    """

    def __init__(self, url: str, *, for_web: bool = False) -> None:
        """Create the engine, without connecting yet."""
        self._for_web = for_web
        self._info: dict[str, dict[str, str]] = {}
        self._busy_milliseconds = WEB_BUSY_MILLISECONDS if for_web else BUSY_MILLISECONDS
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        options: dict[str, Any] = {"pool_pre_ping": True, "connect_args": POSTGRES}
        if self.is_sqlite:
            timeout = self._busy_milliseconds / 1000
            options = {"connect_args": {"timeout": timeout, "check_same_thread": False}}
        if for_web:
            options["pool_timeout"] = WEB_BUSY_MILLISECONDS / 1000
            options["pool_size"], options["max_overflow"] = WEB_CONNECTIONS, 0
        self.engine: Engine = create_engine(parsed, hide_parameters=True, **options)
        if self.is_sqlite:
            if (file := sqlite_file(parsed)) is not None:
                event.listen(self.engine, "do_connect", lambda *_arguments: make_file(file))
            event.listen(self.engine, "connect", self._prepare_sqlite)
            event.listen(self.engine, "invalidate", _roll_back_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session for reading; nothing is committed."""
        with Session(self.engine, expire_on_commit=False, info=self._info) as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Yield a session like `read`, whose statements all see the database as it was at the first one."""
        engine = (
            self.engine
            if self.is_sqlite
            else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )
        with Session(engine, expire_on_commit=False, info=self._info) as session:
            yield session

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Session]:
        """Yield a session in a write transaction; commit at the end, roll back on an error.

        Unless `durable`, the commit does not wait for the disk. After a power cut, or where PostgreSQL alone
        broke down, the last ones may be undone, even while this process lives on.
        """
        with (
            self.engine.connect().execution_options(**(WRITING if durable else MARKING)) as connection,
            Session(connection, expire_on_commit=False, info=self._info) as session,
            session.begin(),
        ):
            if self._for_web and not self.is_sqlite:
                session.execute(text(f"SET LOCAL lock_timeout = {WEB_BUSY_MILLISECONDS}"))
            if not durable and not self.is_sqlite:
                session.execute(text("SET LOCAL synchronous_commit = off"))
            yield session

    @contextmanager
    def write_in_turn(self) -> Iterator[Session]:
        """Yield a session like `write`, for one of many batches; on SQLite, pause as long as it took.

        A process that waits for SQLite's lock polls it every 100 ms. Without the pause a long job takes the
        lock again at once, each time, and the web process's writes starve.
        """
        with self.write() as session:
            begun = monotonic()
            yield session
        self.pause_after(monotonic() - begun)

    def pause_after(self, seconds: float) -> None:
        """Let others have SQLite's lock, after a transaction that held it so long and before the next one."""
        if self.is_sqlite:
            sleep(min(max(seconds, SHORTEST_PAUSE), LONGEST_PAUSE))

    @contextmanager
    def mark(self) -> Iterator[Connection]:
        """Yield a bare connection in a write transaction, for frequent small updates such as delivery states.

        On SQLite the commit does not wait for the disk (synchronous=NORMAL). After a power cut a mail may be
        sent twice; none is lost. PostgreSQL's waits: it commits many mails together.
        """
        with self.engine.connect().execution_options(**MARKING) as connection, connection.begin():
            yield connection

    @contextmanager
    def write_at_once(self) -> Iterator[Session]:
        """Yield a session like `write`, which waits for a lock for 100 ms at most. See `faults.is_busy`."""
        with self.engine.connect() as connection:
            waiting = self._short_busy_timeout(connection) if self.is_sqlite else nullcontext()
            writing = connection.execution_options(**WRITING)
            with (
                waiting,
                Session(writing, expire_on_commit=False, info=self._info) as session,
                session.begin(),
            ):
                if not self.is_sqlite:
                    session.execute(text(f"SET LOCAL lock_timeout = {SHORT_MILLISECONDS}"))
                yield session

    def acting(self, details: Mapping[str, str]) -> "Database":
        """Return this database for what somebody does: its sessions' audit entries have these details too."""
        other = copy(self)
        other._info = {AUDITED: dict(details)}  # noqa: SLF001 - its own class
        return other

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    @contextmanager
    def _short_busy_timeout(self, connection: Connection) -> Iterator[None]:
        raw = connection.connection.driver_connection
        if raw is not None:
            raw.execute(f"PRAGMA busy_timeout={SHORT_MILLISECONDS}")
        try:
            yield
        finally:
            if raw is not None:
                raw.execute(f"PRAGMA busy_timeout={self._busy_milliseconds}")

    def _prepare_sqlite(self, connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
            "temp_store=MEMORY",
            f"busy_timeout={self._busy_milliseconds}",
        ):
            connection.execute(f"PRAGMA {pragma}")


def sqlite_file(url: URL) -> Path | None:
    """Return the file of an SQLite database, or None for another or one in memory."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def make_file(path: Path) -> None:
    """Create an empty file that its group may write, as far as the umask allows; leave an existing one alone.

    SQLite would let only the owner write it. The -wal and -shm files get the mode of this one.
    """
    # An existing file is never opened: closing it would drop this process's POSIX locks on it.
    with suppress(OSError):  # SQLite reports the cause when it opens the file
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE))


def _roll_back_sqlite(connection: sqlite3.Connection, _record: object, _error: BaseException | None) -> None:
    """End the transaction of a connection that SQLAlchemy is about to drop, as after KeyboardInterrupt.

    Closing alone would leave the write lock taken for as long as the error's traceback holds a cursor.
    """
    with suppress(sqlite3.Error):  # a broken connection has nothing to roll back
        connection.rollback()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    synchronous = options.get("portal_synchronous", "FULL")
    raw = connection.connection.dbapi_connection
    if raw is not None and connection.info.get("synchronous", "FULL") != synchronous:
        raw.cursor().execute(f"PRAGMA synchronous={synchronous}")
        connection.info["synchronous"] = synchronous
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("portal_writes") else "BEGIN")
