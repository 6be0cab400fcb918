"""The database: writers wait for each other, times are UTC, and a fault tells nothing of what was stored."""

import signal
import threading
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from sqlalchemy import event, func, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from portal.core.db import Database, new_id
from portal.web.limits import RateBucket

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def bucket(hits=0, name=b"b" * 16, ends_at=NOON):
    return RateBucket(bucket=name, hits=hits, ends_at=ends_at)


def stored(db):
    with db.read() as session:
        return session.scalars(select(RateBucket)).all()


def test_what_fails_leaves_nothing(db):
    def fail_halfway():
        with db.write() as session:
            session.add(bucket())
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert stored(db) == []


def test_reading_never_writes(db):
    with db.read() as session:
        session.add(bucket())
        session.flush()
    assert stored(db) == []


@pytest.mark.parametrize("kind", ["write", "mark"])
def test_read_then_write_loses_no_update_among_eight_threads(db, kind):
    with db.write() as session:
        session.add(bucket())

    faults = []

    def add_one():
        try:
            for _ in range(5):
                with getattr(db, kind)() as session:
                    hits = session.scalar(select(RateBucket.hits).with_for_update())
                    session.execute(update(RateBucket).values(hits=hits + 1))
        except DBAPIError as error:
            faults.append(error)

    threads = [threading.Thread(target=add_one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert stored(db)[0].hits == 40


def test_what_is_locked_is_read_again_and_loses_no_change_of_ones_own(db):
    with db.write() as session:
        session.add(bucket(name=b"n" * 16))
    with db.write() as session:
        row = session.scalars(select(RateBucket)).one()
        session.execute(text("UPDATE rate_buckets SET hits = 7"))  # as another transaction does
        assert row.hits == 0
        assert session.scalars(select(RateBucket).with_for_update()).one().hits == 7
        session.execute(text("UPDATE rate_buckets SET hits = 8"))
        assert session.get(RateBucket, row.bucket, with_for_update=True).hits == 8
        row.hits = 9
        assert session.scalars(select(RateBucket).with_for_update()).one().hits == 9


def test_readers_do_not_wait_for_a_writer(db):
    with db.write() as writing:
        writing.add(bucket())
        writing.flush()
        assert stored(db) == []
    assert len(stored(db)) == 1


def test_a_snapshot_sees_one_state_whatever_is_written_meanwhile(db):
    counted = select(func.count()).select_from(RateBucket)
    with db.snapshot() as session:
        assert session.scalar(counted) == 0
        with db.write() as other:
            other.add(bucket())
        assert session.scalar(counted) == 0
    assert len(stored(db)) == 1


def test_times_come_back_aware_and_in_utc_whatever_zone_they_went_in(db):
    eastern = NOON.astimezone(timezone(timedelta(hours=-5))) + timedelta(microseconds=123456)
    with db.write() as session:
        session.add(bucket(ends_at=eastern))
    row = stored(db)[0]
    assert row.ends_at == eastern
    assert row.ends_at.utcoffset() == timedelta(0)


def test_a_time_without_a_zone_is_refused(db):
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(StatementError, match="naive datetime"), db.write() as session:
        session.add(bucket(ends_at=naive))


def test_a_fault_does_not_repeat_what_was_stored(db):
    with db.write() as session:
        session.add(bucket(name=b"secret-of-sam-16"))
    with pytest.raises(IntegrityError) as refused, db.write() as session:
        session.add(bucket(name=b"secret-of-sam-16"))
    assert "secret-of-sam" not in str(refused.value).partition("DETAIL")[0]


def test_ids_carry_no_order_and_no_time():
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert {len(each) for each in ids} == {16}
    assert sum(one < other for one, other in pairwise(ids)) < 600


def test_sqlite_keeps_its_promises_on_every_connection(sqlite_template, tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'fresh.db'}")
    expected = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "busy_timeout": 15_000,
    }

    def pragmas():
        with database.write() as session:
            return {name: session.scalar(text(f"PRAGMA {name}")) for name in expected}

    assert pragmas() == expected
    with database.mark() as connection:
        assert connection.scalar(text("PRAGMA synchronous")) == 1
    assert pragmas() == expected
    with database.write(durable=False) as session:
        assert session.scalar(text("PRAGMA synchronous")) == 1
    assert pragmas() == expected
    database.dispose()


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
def test_postgresql_waits_for_the_disk_unless_told_not_to(db):
    def waits(session):
        return session.scalar(text("SHOW synchronous_commit"))

    with db.engine.begin() as connection:
        connection.execute(text("SET SESSION synchronous_commit = on"))  # the tests' server has it off
    with db.write(durable=False) as session:
        assert waits(session) == "off"
    with db.write() as session:
        assert waits(session) == "on"
    with db.mark() as connection:
        assert waits(connection) == "on"


def test_a_database_that_is_not_there_answers_with_one_kind_of_fault(tmp_path):
    for url in (f"sqlite:///{tmp_path}/no/such/folder.db", f"postgresql://nobody@/x?host={tmp_path}"):
        database = Database(url)
        with pytest.raises(DBAPIError), database.write():
            pass
        database.dispose()


@pytest.mark.parametrize("interrupted", ["do_execute", "do_executemany"])
def test_an_interrupted_transaction_releases_its_locks_before_the_error_is_handled(
    db, database_url, interrupted
):
    """Ctrl-C while a statement runs: SQLAlchemy drops the connection, whose cursor the traceback holds."""

    def and_then_ctrl_c(rows):
        yield from rows
        signal.raise_signal(signal.SIGINT)

    def interrupt(cursor, statement, parameters, _context):
        if not statement.startswith("INSERT INTO rate_buckets"):
            return False
        if interrupted == "do_execute":
            cursor.execute(statement, parameters)
            signal.raise_signal(signal.SIGINT)
        cursor.executemany(statement, and_then_ctrl_c(parameters))
        return True

    event.listen(db.engine, interrupted, interrupt)
    rows = [bucket(name=bytes([number]) * 16) for number in range(1 if interrupted == "do_execute" else 3)]
    other = Database(database_url)
    try:
        with db.write() as session:
            session.add_all(rows)
    except KeyboardInterrupt:
        with other.engine.connect() as connection:
            wait = "PRAGMA busy_timeout=50" if db.is_sqlite else "SET lock_timeout = '50ms'"
            connection.exec_driver_sql(wait)
            connection.exec_driver_sql("DELETE FROM rate_buckets")
            connection.rollback()
    else:
        pytest.fail("nothing was interrupted")
    event.remove(db.engine, interrupted, interrupt)
    assert stored(db) == []
    with db.write() as session:  # the next connection is whole
        session.add(bucket())
    other.dispose()
