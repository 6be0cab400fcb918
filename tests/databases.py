"""Databases for tests: each test gets its own, copied from a template that was built once."""

import fcntl
import importlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import TypeVar

from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, delete, false, text
from sqlalchemy.orm import Session

from portal.core.db import Database
from portal.runtime import schema
from portal.web.limits import RateBucket
from tests.postgres import PostgresServer

PORTAL = Path(__file__).parent.parent / "portal"
TEMPLATE = "portal_template"
T = TypeVar("T")


def import_models() -> None:
    """Let the metadata know every table."""
    for name in ("crypto.self_test", "runtime.schedule", "runtime.storage_check", "web.limits"):
        importlib.import_module(f"portal.{name}")
    for models in sorted(PORTAL.glob("*/models.py")):
        importlib.import_module(f"portal.{models.parent.name}.models")


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
        return server


def stop_shared_postgres(folder: Path) -> None:
    known = folder / "postgres"
    if known.exists():
        PostgresServer(Path(known.read_text())).stop()
        known.unlink(missing_ok=True)  # other runs on this machine tidy the folder too


@contextmanager
def postgres_copy(server: PostgresServer, template: str = TEMPLATE) -> Iterator[str]:
    name = f"portal_{token_hex(6)}"
    execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.url(name)
    execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def execute(server: PostgresServer, statement: str) -> None:
    engine = create_engine(server.url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
