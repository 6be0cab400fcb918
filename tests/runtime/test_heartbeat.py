"""A worker that lives can be seen to live, on whichever machine; one that ended can be seen to have ended."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text

from portal.core.clock import FixedClock, SystemClock
from portal.runtime import heartbeat
from portal.runtime.heartbeat import Heart, Heartbeat
from portal.worker import Worker


@pytest.fixture
def now(db):
    """The time by the clock that counts: this test's own, or that of PostgreSQL."""

    def read():
        with db.read() as session:
            return heartbeat.database_time(session, datetime(2026, 11, 23, 9, 0, tzinfo=UTC))

    return read


@pytest.fixture
def age(db):
    """Make every row older than it is."""

    def make(by):
        with db.write() as session:
            for row in session.scalars(select(Heartbeat)):
                row.seen_at -= by

    return make


@pytest.fixture
def why(db, clock):
    def ask():
        with db.read() as session:
            return heartbeat.why_degraded(session, clock.now())

    return ask


def test_a_database_without_a_worker_says_how_to_start_one(why):
    assert why() == (
        "no worker has run on this database yet; start it with: systemctl start portal-worker "
        "(or: portal worker)"
    )


def test_a_worker_lives_for_ninety_seconds_after_it_was_seen(db, clock, why, age, now):
    seen = now()
    assert Heart(db, clock).beat()
    assert why() is None
    age(timedelta(seconds=85))
    assert why() is None
    age(timedelta(seconds=6))
    said = str(why())
    assert said.startswith("no worker has been seen since 20")
    assert f"{seen - timedelta(seconds=91):%Y-%m-%d %H}:" in said
    assert "systemctl start portal-worker" in said
    assert "journalctl -u portal-worker" in said


def test_of_two_workers_one_is_enough_and_a_stop_shows_at_once(db, clock, why):
    one, other = Heart(db, clock), Heart(db, clock)
    one.beat()
    other.beat()
    one.stop()
    assert why() is None
    other.stop()
    assert str(why()).startswith("no worker runs: the last one was stopped at 20")


def test_with_postgresql_no_worker_needs_a_clock_that_agrees(db, clock, why):
    late = FixedClock(clock.now() - timedelta(hours=3))
    Heart(db, late).beat()
    assert (why() is None) == (not db.is_sqlite)


def test_a_row_from_a_wrong_clock_is_no_worker_and_goes_with_those_of_long_ago(db, clock, why, age):
    Heart(db, clock).beat()
    age(timedelta(days=-1))
    assert str(why()).startswith("no worker has run")
    Heart(db, clock).beat()
    Heart(db, clock).beat()
    age(timedelta(days=1, seconds=1))
    Heart(db, clock).beat()
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(Heartbeat)) == 1


def test_a_beat_waits_for_no_lock(db, clock):
    with db.write() as session:
        session.execute(text("DELETE FROM worker_heartbeats"))
        if not db.is_sqlite:
            session.execute(text("LOCK TABLE worker_heartbeats"))
        assert not Heart(db, clock).beat()
    assert Heart(db, clock).beat()


def seen(db, **awaited):
    """The one row, as soon as it has these values."""
    end = time.monotonic() + 10
    while True:
        with db.read() as session:
            row = session.scalar(select(Heartbeat))
        if row is not None and all(bool(getattr(row, name)) is value for name, value in awaited.items()):
            return row
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_worker_says_that_it_runs_and_not_while_one_of_its_threads_is_dead(db, worker_parts, caplog):
    worker = Worker(replace(worker_parts, clock=SystemClock()), ())
    *work, beats = worker.start()
    first = seen(db, stopped_at=False).seen_at
    worker.stop()
    for thread in (*work, beats):
        thread.join()
    worker._stopping.clear()
    worker._next_beat = 0.0
    assert worker._beat(work) == 0
    assert seen(db).seen_at == first
    assert "worker: the thread answer has ended; restart the worker" in caplog.messages
    worker._say_stopped()
    assert seen(db, stopped_at=True).version == "0.1.0"
