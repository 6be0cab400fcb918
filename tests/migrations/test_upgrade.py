"""An upgrade takes effect as a whole or not at all, waits briefly, and says what was in its way."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, inspect, text
from sqlalchemy.exc import DBAPIError

from portal.core.db import Database
from portal.runtime import schema
from tests.processes import PORTAL, ROOT

# 0010 can be done, and then 0011 alters `exposure_lists`.
FORMER = "0009_reset"
LOCK_UPGRADES = "SELECT pg_advisory_xact_lock(123623963910508)"


def portal_db_upgrade(db: Database) -> subprocess.Popen[str]:
    url = db.engine.url.render_as_string(hide_password=False)
    environ = {**os.environ, "PORTAL_ENVIRONMENT": "test", "PORTAL_DATABASE_URL": url}
    return subprocess.Popen(
        [PORTAL, "db", "upgrade"],
        env=environ,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def printed(process: subprocess.Popen[str]) -> str:
    """Wait for the command's end and return what it said."""
    return process.communicate(timeout=60)[0]


def at_former_revision(db: Database) -> Database:
    schema.upgrade(db, FORMER)
    with db.engine.begin() as connection:
        connection.execute(text("INSERT INTO identity_hash_shapes VALUES ('m=64,t=1,p=1', 3)"))
    return db


def state(db: Database) -> dict[str, object]:
    """The revision, every table with its columns and indexes, and the row of `at_former_revision`."""
    with db.engine.connect() as connection:
        looked = inspect(connection)
        return {
            "revision": connection.scalar(text("SELECT version_num FROM alembic_version")),
            "columns": {
                table: [column["name"] for column in looked.get_columns(table)]
                for table in sorted(looked.get_table_names())
            },
            "indexes": {
                table: sorted(str(index["name"]) for index in looked.get_indexes(table))
                for table in looked.get_table_names()
            },
            "rows": connection.execute(text("SELECT * FROM identity_hash_shapes")).all(),
        }


def test_a_migration_that_fails_takes_those_before_it_back(empty_db):
    db = at_former_revision(empty_db)
    with db.engine.begin() as connection:
        connection.execute(text("CREATE INDEX ix_intake_requests_state_due_at ON campaigns (begun_at)"))
    before = state(db)
    with pytest.raises(DBAPIError, match="ix_intake_requests_state_due_at"):
        schema.upgrade(db)
    assert re.fullmatch(
        r"Error: The database (/\S+ )?could not be migrated: [\w ]+\. Nothing was changed\. "
        r"To find the cause, run: portal doctor\. "
        r"To go on with the former version, install it again: see docs/guide/upgrade\.md\n",
        printed(portal_db_upgrade(db)),
    )
    assert state(db) == before
    with db.engine.begin() as connection:
        connection.execute(text("DROP INDEX ix_intake_requests_state_due_at"))
    schema.upgrade(db)
    assert schema.fault_of(db) is None


def test_upgrades_at_once_do_the_work_once(empty_db):
    running = [portal_db_upgrade(empty_db) for _ in range(3)]
    assert [printed(process) for process in running] == ["The database is up to date.\n"] * 3
    assert schema.fault_of(empty_db) is None


@pytest.mark.postgres
def test_a_locked_table_ends_the_upgrade_with_words_and_changes_nothing(empty_postgresql):
    db = at_former_revision(empty_postgresql)
    before = state(db)
    with db.engine.connect() as other, other.begin():
        other.execute(text("LOCK TABLE exposure_lists IN ACCESS SHARE MODE"))  # as pg_dump does
        blocked = portal_db_upgrade(db)
        output = printed(blocked)
    assert output == (
        "Error: Another connection holds a lock that this statement needs: ALTER TABLE exposure_lists "
        "ADD COLUMN notifying BOOLEAN DEFAULT false NOT NULL. Nothing was changed. Stop portal worker, "
        "portal serve and whatever else uses the database (pg_dump, psql), then run: portal db upgrade\n"
    )
    assert blocked.returncode == 1
    assert state(db) == before
    assert printed(portal_db_upgrade(db)) == "The database is up to date.\n"
    assert state(db)["rows"] == [("m=64,t=1,p=1", 3, 3)]
    assert schema.fault_of(db) is None


@pytest.mark.postgres
def test_an_upgrade_waits_its_turn(empty_postgresql):
    db = empty_postgresql
    with ThreadPoolExecutor() as pool:
        with db.engine.connect() as other, other.begin():
            other.execute(text(LOCK_UPGRADES))
            upgraded = pool.submit(schema.upgrade, db)
            waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            while not other.scalar(waiting):
                assert not upgraded.done()
        upgraded.result()
    assert schema.fault_of(db) is None


@pytest.mark.postgres
def test_an_upgrade_gives_up_where_another_does_not_end(empty_postgresql):
    db = at_former_revision(empty_postgresql)
    before = state(db)
    with db.engine.connect() as other, other.begin():
        other.execute(text(LOCK_UPGRADES))
        with pytest.raises(schema.UpgradeBlocked) as blocked:
            schema.upgrade(db, timeouts=schema.Timeouts(turn=100))
    assert str(blocked.value) == (
        "Another upgrade of this database is running. Nothing was changed. "
        "Wait until it has ended, then run: portal db upgrade"
    )
    assert state(db) == before
    schema.upgrade(db)
    assert schema.fault_of(db) is None


def watch_statements(db: Database, body: str) -> None:
    """Have PostgreSQL itself do something as each DDL statement of a migration begins."""
    with db.engine.begin() as connection:
        connection.execute(text("CREATE TABLE seen (lock_timeout text, statement_timeout text)"))
        connection.execute(
            text(f"CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$")
        )
        connection.execute(text("CREATE EVENT TRIGGER watch ON ddl_command_start EXECUTE FUNCTION watch()"))


@pytest.mark.postgres
def test_every_statement_of_an_upgrade_is_bounded_and_nothing_afterwards(empty_postgresql):
    db = empty_postgresql
    settings = "current_setting('lock_timeout'), current_setting('statement_timeout')"
    watch_statements(db, f"INSERT INTO seen VALUES ({settings})")
    schema.upgrade(db)
    with db.engine.connect() as connection:
        assert set(connection.execute(text("SELECT * FROM seen")).all()) == {("5s", "10min")}
        assert connection.execute(text(f"SELECT {settings}")).one() == ("0", "0")


@pytest.mark.postgres
def test_a_statement_that_takes_too_long_is_cancelled(empty_postgresql):
    db = at_former_revision(empty_postgresql)
    watch_statements(db, "PERFORM pg_sleep(2)")
    before = state(db)
    with pytest.raises(schema.UpgradeBlocked) as blocked:
        schema.upgrade(db, timeouts=schema.Timeouts(statement=200))
    assert str(blocked.value) == (
        "A statement took over 0.2 s or was cancelled: DROP TABLE sign_in_doors. "
        "Nothing was changed. Stop portal worker, portal serve and whatever else keeps the database busy, "
        "then run: portal db upgrade"
    )
    assert state(db) == before


def test_a_busy_sqlite_ends_the_upgrade_with_words_and_changes_nothing(empty_sqlite):
    db = at_former_revision(empty_sqlite)
    before = state(db)
    impatient = Database(str(db.engine.url))
    event.listen(impatient.engine, "connect", lambda raw, _record: raw.execute("PRAGMA busy_timeout=100"))
    with db.write() as other:
        other.execute(text("DELETE FROM rate_buckets"))
        with pytest.raises(schema.UpgradeBlocked) as blocked:
            schema.upgrade(impatient)
    assert str(blocked.value) == (
        "Other processes were writing the database all the time. Nothing was changed. "
        "Stop portal worker, then run: portal db upgrade"
    )
    assert state(db) == before
    schema.upgrade(impatient)
    impatient.dispose()
    assert schema.fault_of(db) is None
