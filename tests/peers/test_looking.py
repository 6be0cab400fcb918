"""The worker finds what is due by looking four times a second: nobody wakes it, and a look takes no lock."""

import logging
import os
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import create_engine, text

from portal.app import SCHEDULE, create_app
from portal.core.clock import SystemClock
from portal.core.db import Database
from portal.exposure.emails import CheckAnswer
from portal.identity.sealed.models import WorkerKey
from portal.intake.models import IntakeRequest
from portal.outbox import service
from portal.runtime.schedule import ScheduledJob
from portal.worker import Worker, run_due
from tests.mailbox import Mailbox
from tests.processes import started, working
from tests.visitor import Visitor

LOOK_SECONDS = 0.25
LOOKS = 6
LATER = timedelta(hours=1)
LOCK = "LOCK TABLE intake_requests, outbox_mails, scheduled_jobs IN EXCLUSIVE MODE"
# What unpickles into a command, for whoever would unpickle it.
FORGED = b"cposix\nsystem\n(S'touch %s'\ntR."


def asks(settings, db, web_keys):
    """A visitor of the web application, which tells the worker nothing."""
    return Visitor(create_app(settings, db=db, clock=SystemClock(), web_keys=web_keys))


@contextmanager
def at_work(parts, schedule=()):
    """The threads of a worker, as `portal worker` starts them."""
    worker = Worker(replace(parts, clock=SystemClock()), schedule)
    threads = worker.start()
    try:
        yield threads
    finally:
        worker.stop()
        for thread in threads:
            thread.join(5)


@contextmanager
def nobody_else_writes(url):
    """Hold what every writing transaction of the worker would wait for; a plain read does not."""
    database = Database(url)
    with database.write() as session:
        # The first statement begins the transaction, which on SQLite is the lock.
        session.execute(text("SELECT 1" if database.is_sqlite else LOCK))
        yield
    database.dispose()


def take_the_lock_at_once(url):
    """Take the same and let go of it; an error of the database where somebody has it."""
    sqlite = url.startswith("sqlite")
    engine = create_engine(url, connect_args={"timeout": 0} if sqlite else {})
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if sqlite else f"{LOCK} NOWAIT")
    engine.dispose()


def until(reached, seconds=60.0):
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.005)


def log_of(folder):
    return (folder / "worker.log").read_text() if (folder / "worker.log").exists() else ""


def test_each_check_is_answered_and_nobody_wakes_the_worker(
    environ, settings, db, web_keys, smtp: Mailbox, tmp_path
):
    visitor = asks(settings, db, web_keys)

    def waiting():
        with db.read() as session:
            return session.query(IntakeRequest).filter_by(state="waiting").count()

    with working(environ, tmp_path / "worker.log"):
        until(lambda: "worker has started" in log_of(tmp_path))
        for number in range(1, 6):
            time.sleep(number / 17)  # at any moment between two looks
            assert visitor.submit("/check/", email=f"person{number}@example.com").status_code == 303
            until(lambda: not waiting())
            smtp.wait_for(number)
    assert "ERROR" not in log_of(tmp_path)


def test_jobs_can_be_sealed_to_a_worker_before_its_first_scheduled_job(worker_parts, db):
    seen = []

    def look(_parts):
        with db.read() as session:
            seen.append(session.query(WorkerKey).count())

    with at_work(replace(worker_parts, sealed={"none": None}), (ScheduledJob("first", LATER, look),)):
        until(lambda: seen)
    assert seen == [1]


def test_an_idle_worker_takes_no_lock_and_waits_for_none(worker_parts, database_url, caplog):
    caplog.set_level(logging.INFO)
    job = ScheduledJob("later", LATER, lambda _parts: None)
    run_due(replace(worker_parts, clock=SystemClock()), (job,))
    with nobody_else_writes(database_url):
        with at_work(worker_parts, (job,)) as threads:
            time.sleep(LOOKS * LOOK_SECONDS)
        assert not any(thread.is_alive() for thread in threads), "a thread waits for the lock"
    assert [record.getMessage() for record in caplog.records] == []


def test_an_idle_worker_keeps_nobody_from_writing_and_writes_nothing(worker_parts, db, database_url):
    job = ScheduledJob("later", LATER, lambda _parts: None)
    run_due(replace(worker_parts, clock=SystemClock()), (job,))
    worker_db = Database(database_url)
    with at_work(replace(worker_parts, db=worker_db), (job,)):
        for _ in range(4):  # what it writes as it starts may be late
            before = _written(db)
            for _ in range(LOOKS):
                time.sleep(LOOK_SECONDS)
                take_the_lock_at_once(database_url)
            if _written(db) == before:
                break
        else:
            pytest.fail("it writes all the time")
    worker_db.dispose()


def _written(db):
    """What changes with every commit that wrote: SQLite's count of them, PostgreSQL's row versions."""
    with db.engine.connect() as connection:
        if db.is_sqlite:
            return connection.scalar(text("PRAGMA data_version"))
        return connection.scalar(text("SELECT max(xmin::text::bigint) FROM scheduled_jobs"))


def test_two_workers_run_a_scheduled_job_once_per_period(worker_parts, database_url):
    ran, guard = [], threading.Lock()

    def note(_parts):
        with guard:
            ran.append(time.monotonic())

    every = 0.6
    job = ScheduledJob("often", timedelta(seconds=every), note)
    own = [replace(worker_parts, db=Database(database_url)) for _ in range(2)]
    with at_work(own[0], (job,)), at_work(own[1], (job,)):
        time.sleep(5 * every)
    for parts in own:
        parts.db.dispose()
    assert 3 <= len(ran) <= 6
    assert min(later - earlier for earlier, later in pairwise(ran)) > every - LOOK_SECONDS


def test_a_scheduled_job_that_fails_keeps_nobody_from_their_answer(
    settings, db, web_keys, worker_parts, smtp: Mailbox, caplog
):
    def fail(_parts):
        raise RuntimeError

    with at_work(worker_parts, [ScheduledJob("broken", timedelta(seconds=10), fail), *SCHEDULE]):
        assert asks(settings, db, web_keys).submit("/check/", email="sam@example.com").status_code == 303
        smtp.wait_for(1)
    assert caplog.text.count("schedule: broken failed (RuntimeError: -)") == 1


@pytest.mark.parametrize("word", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_that_is_asked_to_end_ends_at_once_however_often_it_is_asked(environ, tmp_path, word):
    with working(environ, tmp_path / "worker.log") as process:
        until(lambda: "worker has started" in log_of(tmp_path))
        time.sleep(LOOK_SECONDS)
        begun = time.monotonic()
        while process.poll() is None and time.monotonic() - begun < 20:  # to its last moment
            os.kill(process.pid, word)
        assert process.poll() == 0
        assert time.monotonic() - begun < 15
    assert log_of(tmp_path).count("worker: stopped") == 1
    assert "Traceback" not in log_of(tmp_path)


def test_a_queue_file_that_a_former_version_left_is_neither_read_nor_in_the_way(
    environ, db, worker_vault, clock, smtp: Mailbox, tmp_path
):
    left = tmp_path / "queue.db"
    left.write_bytes(FORGED % str(tmp_path / "it-ran").encode())
    before = left.stat()
    with db.write() as session:
        service.enqueue(
            session, worker_vault, CheckAnswer(), address="sam@example.com", locale="en", now=clock.now()
        )
    former = environ | {"PORTAL_QUEUE_FILE": str(left)}
    with started(former, tmp_path / "worker.log", "worker") as process:
        smtp.wait_for(1)
    assert process.returncode == 0
    assert "settings: PORTAL_QUEUE_FILE is not used by this version; remove it" in log_of(tmp_path)
    assert left.stat().st_mtime_ns == before.st_mtime_ns
    assert not (tmp_path / "it-ran").exists()
