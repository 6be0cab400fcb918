"""Whether the database can store is known from a row that was really written, and read from memory."""

import logging

import pytest
from sqlalchemy import func, select, text

from portal.core.db import Database
from portal.runtime.storage_check import StorageCheck, StorageProbe, write_row


class Seconds:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds():
    return Seconds()


@pytest.fixture
def check(db, seconds):
    """A check whose thread is the test itself: it looks when told."""
    made = StorageCheck(db, now=seconds)
    made._started = True
    return made


def test_a_row_is_really_written_and_stays_one_row(db):
    def values():
        with db.read() as session:
            return session.scalars(select(StorageProbe.value)).all()

    assert write_row(db, "web")
    first = values()
    assert write_row(db, "web")
    assert (len(first), len(values())) == (1, 1)
    assert first != values()


def test_reading_the_result_costs_the_database_nothing(db, check):
    check.look()
    db.dispose()
    check._db = None
    assert check.fault() is None


def test_before_the_first_look_it_is_not_ready(check):
    assert check.fault() == "not checked yet"


def test_a_lock_that_another_holds_for_a_while_is_no_fault_and_for_half_a_minute_it_is(
    db, database_url, check, seconds
):
    check.look()
    other = Database(database_url)
    with other.write() as session:
        session.execute(text("DELETE FROM storage_probes"))
        seconds.now = 30.0
        check.look()
        assert check.fault() is None
        seconds.now = 31.0
        check.look()
        assert "no row could be written for 31 s" in str(check.fault())
    other.dispose()
    check.look()
    assert check.fault() is None


def test_processes_that_start_together_are_ready_though_one_of_them_writes_first(
    db, database_url, check, seconds
):
    assert write_row(db, "web")
    other = Database(database_url)
    with other.write() as session:
        session.execute(text("UPDATE storage_probes SET value = value"))
        check.look()
        assert check.fault() is None
        seconds.now = 31.0
        assert "no row could be written for 31 s" in str(check.fault())
    other.dispose()


def test_a_thread_that_has_died_or_hangs_shows(check, seconds):
    check.look()
    seconds.now = 31.0
    assert "no row could be written for 31 s" in str(check.fault())


def test_a_database_that_fails_is_named_once_in_the_log_and_so_is_its_return(db, check, seconds, caplog):
    caplog.set_level(logging.INFO, "portal.storage")
    with db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE storage_probes RENAME TO away"))
    for seconds.now in (0.0, 5.0, 10.0):
        check.look()
    cause = "(SQLITE_ERROR)" if db.is_sqlite else "(SQLSTATE 42P01 UndefinedTable)"
    assert check.fault() == f"the database failed {cause}"
    (said,) = caplog.messages
    assert said.startswith(
        f"storage: the database failed {cause}. Nothing can be stored, /readyz answers 503"
    )
    with db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO storage_probes"))
    seconds.now = 15.0
    check.look()
    assert check.fault() is None
    assert caplog.messages[1:] == ["storage: the database stores again, after 15 s"]


def test_the_thread_looks_by_itself_and_survives_what_it_did_not_expect(db, caplog):
    class Odd(StorageCheck):
        looks = 0

        def look(self) -> None:
            self.looks += 1
            if self.looks == 1:
                raise ValueError("secret")
            super().look()
            self.stop()

    check = Odd(db, every=0)
    check.start().join(20)
    assert check.fault() is None
    assert "the check itself failed (ValueError: -)" in caplog.text
    assert "secret" not in caplog.text
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(StorageProbe)) == 1
