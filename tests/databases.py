"""Databases for tests: each test gets its own, copied from a template that was built once."""

import fcntl
import functools
import importlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, Row, create_engine, delete, false, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from portal.console import rights
from portal.core.db import Database
from portal.runtime import schema
from portal.web.limits import RateBucket
from tests.postgres import PostgresServer

PORTAL = Path(__file__).parent.parent / "portal"
TEMPLATE = "portal_template"
CONSOLE = "test_console"  # the role of the console
T = TypeVar("T")
# The databases of this process on the shared server, and those of them that no test uses now.
_names: set[str] = set()
_left: list[str] = []
# Transactions that a test left; idle connections hold no lock, and may belong to a pool still to be cleared.
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
"""
# Every table, index and sequence with its number of columns, and the settings of one database alone.
_SCHEMA = """
SELECT relname, relkind, relnatts FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL
SELECT setconfig::text, 's', 0 FROM pg_db_role_setting
WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY 1, 2, 3
"""


def import_models() -> None:
    """Let the metadata know every table."""
    for name in ("crypto.self_test", "runtime.schedule", "runtime.storage_check", "web.limits"):
        importlib.import_module(f"portal.{name}")
    for models in sorted(PORTAL.rglob("models.py")):
        importlib.import_module(".".join(models.relative_to(PORTAL.parent).with_suffix("").parts))


def written_meanwhile(db: Database, look: Callable[[Session], T], *, running: Callable[[], bool]) -> set[T]:
    """Write as a page would, again and again while something runs; return what `look` saw in those writes."""
    seen = set()
    while running():
        with db.write() as session:
            session.execute(delete(RateBucket).where(false()))
            seen.add(look(session))
        time.sleep(0.01)
    return seen


def heads() -> list[str]:
    return ScriptDirectory.from_config(schema.alembic_config()).get_heads()


def build(url: str) -> None:
    """Give the empty database at `url` every table."""
    database = Database(url)
    schema.upgrade(database)
    database.dispose()


def sqlite_template(folder: Path) -> Path:
    template = folder / "template.db"
    build(f"sqlite:///{template}")
    return template


def sqlite_copy(template: Path, target: Path) -> str:
    shutil.copyfile(template, target)
    return f"sqlite:///{target}"


def shared_postgres(folder: Path, run: int) -> PostgresServer:
    """Return the one server of this test run, started by whichever process asks first."""
    known = folder / "postgres"
    with (folder / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if known.exists():
            return PostgresServer(Path(known.read_text()))
        server = PostgresServer.start(run)
        known.write_text(str(server.folder))
        execute(server, f"CREATE DATABASE {TEMPLATE}")
        build(server.url(TEMPLATE))
        execute(server, f"CREATE ROLE {CONSOLE} LOGIN")
        with _connected(server.url(TEMPLATE)) as template:
            for statement in rights.statements(_names_of_tables(template), CONSOLE):
                template.execute(text(statement))
        return server


def as_console(db: Database) -> Database:
    """Return a database as the console connects to it: with its own role's rights on PostgreSQL."""
    url = db.engine.url if db.is_sqlite else db.engine.url.set(username=CONSOLE)
    return Database(url.render_as_string(hide_password=False), for_web=True)


def stop_shared_postgres(folder: Path) -> None:
    known = folder / "postgres"
    if known.exists():
        PostgresServer(Path(known.read_text())).stop()
        known.unlink(missing_ok=True)  # other runs on this machine tidy the folder too


@contextmanager
def postgres_copy(server: PostgresServer) -> Iterator[str]:
    """Yield a migrated database without rows: one that a former test has left, or a copy of the template."""
    name = _left.pop() if _left else f"portal_{token_hex(6)}"
    if name not in _names:
        execute(server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        _names.add(name)
    yield server.url(name)
    # One that cannot be emptied stays until the server ends: a connection cut off from outside troubles
    # whichever test its remains are cleared away in.
    if _emptied(server, name):
        _left.append(name)


@contextmanager
def postgres_without_tables(server: PostgresServer) -> Iterator[str]:
    name = f"portal_{token_hex(6)}"
    execute(server, f"CREATE DATABASE {name} TEMPLATE template0")
    yield server.url(name)
    execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def _emptied(server: PostgresServer, name: str) -> bool:
    """Remove the rows that a test left, which takes a fraction of the time of a new copy.

    False where the test has changed more than rows, or where something still holds a lock.
    """
    schema_of_template, first_rows = _template(server)
    with suppress(OperationalError), _connected(server.url(name)) as own:
        own.execute(text("SET lock_timeout = '5s'"))
        if own.scalar(text(_OTHERS)):
            return False
        if own.execute(text(_SCHEMA)).all() != schema_of_template:
            return False
        # A test may have removed what the template has, too. PostgreSQL wants CASCADE for an empty table that
        # refers to one of these.
        filled = _filled(own) | first_rows.keys()
        own.execute(text(f"TRUNCATE {', '.join(filled)} RESTART IDENTITY CASCADE"))
        for table, rows in first_rows.items():
            values = ", ".join(f":{column}" for column in rows[0])
            own.execute(text(f"INSERT INTO {table} VALUES ({values})"), rows)
        own.execute(text("SELECT pg_stat_reset()"))
        return True
    return False


@functools.cache
def _template(server: PostgresServer) -> tuple[Sequence[Row[Any]], dict[str, list[dict[str, Any]]]]:
    """Return the template's schema and its rows by table; once, as nobody can copy it meanwhile."""
    with _connected(server.url(TEMPLATE)) as template:
        rows = {
            table: [dict(row) for row in template.execute(text(f"SELECT * FROM {table}")).mappings()]
            for table in _filled(template)
        }
        return template.execute(text(_SCHEMA)).all(), rows


def _filled(connection: Connection) -> set[str]:
    """Return the names of the tables that have rows."""
    tables = _names_of_tables(connection)
    looks = (f"(SELECT '{each}' FROM {each} LIMIT 1)" for each in tables)
    return set(connection.scalars(text(" UNION ALL ".join(looks))))


def _names_of_tables(connection: Connection) -> Sequence[str]:
    return connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()


def execute(server: PostgresServer, statement: str) -> None:
    with _connected(server.url()) as connection:
        connection.execute(text(statement))


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        yield connection
