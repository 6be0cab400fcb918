"""Two users and one group: whichever half makes a file, the other can write it too."""

import os
import shutil
import sqlite3
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from portal.core.db import Database
from portal.runtime.storage_check import write_row

WEB, WORKER, STRANGER, GROUP = 64_101, 64_102, 64_103, 64_100
UMASK = 0o007  # as the guide tells
PROBES = text("CREATE TABLE storage_probes (name TEXT PRIMARY KEY, value BLOB)")
INSERT = text("INSERT INTO alembic_version VALUES ('said')")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two other users")


@pytest.fixture
def folder():
    """A folder with the guide's mode, 2770; outside pytest's own, which only root may enter."""
    above = Path(tempfile.mkdtemp(prefix="portal-two-users-", dir="/tmp"))
    above.chmod(0o755)
    inside = above / "var"
    inside.mkdir()
    os.chown(inside, WORKER, GROUP)
    inside.chmod(0o2770)
    yield inside
    shutil.rmtree(above)


def as_user(user, step, group=GROUP):
    """Run `step` in a process of that user that ends as if killed, so that SQLite's side files stay."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of forking beside threads: the child uses none of them
        child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(group)
            os.setuid(user)
            os.umask(UMASK)
            step()
        except BaseException:  # noqa: BLE001 - it must not go on as the test run
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    ("first", "second"), [(WEB, WORKER), (WORKER, WEB)], ids=["web first", "worker first"]
)
def test_both_write_the_database_whoever_made_it(folder, first, second):
    file = folder / "portal.db"

    def make():
        with Database(f"sqlite:///{file}").write() as session:
            session.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
            session.execute(PROBES)

    def write():
        database = Database(f"sqlite:///{file}")
        assert write_row(database, "web")
        with database.write() as session:
            session.execute(INSERT)
        with database.mark() as connection:
            connection.execute(INSERT)

    as_user(first, make)
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        f"portal.db{end}": 0o660 for end in ("", "-wal", "-shm")
    }
    for user in (second, first, second):
        as_user(user, write)
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (6,)
    connection.close()


def test_who_can_only_read_is_told_so_by_trying_to_write(folder):
    file = folder / "portal.db"

    def fail():
        database = Database(f"sqlite:///{file}")
        with database.read() as session:
            assert session.scalar(text("SELECT count(*) FROM alembic_version")) == 0
        with pytest.raises(DBAPIError, match="readonly"):
            write_row(database, "web")

    def make():
        with Database(f"sqlite:///{file}").write() as session:
            session.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
            session.execute(PROBES)

    as_user(WORKER, make)
    file.chmod(0o640)
    as_user(WEB, fail)


def test_a_database_that_is_being_written_is_well_and_is_not_waited_for(folder):
    database, other = Database(f"sqlite:///{folder}/portal.db"), Database(f"sqlite:///{folder}/portal.db")
    with database.write() as session:
        session.execute(PROBES)
    with database.write() as session:
        session.execute(text("DELETE FROM storage_probes"))
        begin = time.monotonic()
        assert not write_row(other, "web")
        assert time.monotonic() - begin < 15
    with other.write() as session:  # and waits as long as ever where it really writes
        assert session.scalar(text("PRAGMA busy_timeout")) == 15_000
    for each in (database, other):
        each.dispose()
