"""Each scheduled job runs once per interval, however many workers look for due ones."""

import logging
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, select, text, update

from portal.app import SCHEDULE
from portal.core.db import Database
from portal.runtime.schedule import ScheduledJob, ScheduledTime, StuckTimes
from portal.worker import run_due, run_schedule

EVERY = timedelta(seconds=10)
DAY = timedelta(days=1)


@pytest.fixture
def ran():
    """The names of the jobs that ran, in order."""
    return []


@pytest.fixture
def job(ran):
    def make(name="one", every=EVERY):
        return ScheduledJob(name, every, lambda _parts: ran.append(name))

    return make


@pytest.fixture
def broken(ran):
    def fail(_parts):
        ran.append("broken")
        raise ValueError("sam@example.com")

    return ScheduledJob("broken", EVERY, fail)


@pytest.fixture
def next_at(db):
    def read(name="one"):
        with db.read() as session:
            return session.scalar(select(ScheduledTime.next_at).where(ScheduledTime.name == name))

    return read


def change(db, *statements):
    with db.write() as session:
        for statement in statements:
            session.execute(statement)


def test_a_job_runs_at_once_and_then_whenever_its_time_has_come(worker_parts, clock, job, ran, next_at):
    schedule = (job("one"), job("two", EVERY * 2))
    assert run_due(worker_parts, schedule) == 2
    assert ran == ["one", "two"]
    assert (next_at("one"), next_at("two")) == (clock.now() + EVERY, clock.now() + EVERY * 2)
    clock.advance(EVERY - timedelta(microseconds=1))
    assert run_due(worker_parts, schedule) == 0
    clock.advance(timedelta(microseconds=1))
    assert run_due(worker_parts, schedule) == 1
    clock.advance(EVERY)
    assert run_due(worker_parts, schedule) == 2
    assert ran == ["one", "two", "one", "one", "two"]


def test_what_an_outage_missed_is_run_once(worker_parts, clock, job, ran, next_at):
    run_due(worker_parts, (job(),))
    clock.advance(DAY)
    assert [run_due(worker_parts, (job(),)) for _ in range(3)] == [1, 0, 0]
    assert next_at() == clock.now() + EVERY


def test_a_job_that_fails_stops_no_other_and_is_tried_again_at_its_next_time(
    worker_parts, clock, job, broken, ran, caplog
):
    schedule = (broken, job())
    assert run_due(worker_parts, schedule) == 2
    assert run_due(worker_parts, schedule) == 0
    clock.advance(EVERY)
    assert run_due(worker_parts, schedule) == 2
    assert ran == ["broken", "one"] * 2
    assert caplog.text.count("schedule: broken failed (ValueError: -); it runs again within 10 s") == 2
    assert "sam@example.com" not in caplog.text


def test_a_time_that_a_wrong_clock_wrote_is_mended(worker_parts, clock, job, ran, next_at, caplog):
    clock.advance(DAY)
    run_due(worker_parts, (job(),))
    clock.advance(-DAY)
    stuck, runs = StuckTimes(), []
    for _ in range(8):
        runs.append(run_due(worker_parts, (job(),), stuck))
        clock.advance(EVERY)
    assert runs == [0] * 7 + [1]  # after the interval and a minute, in which another worker would move it
    assert next_at() == clock.now()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "schedule: one was due in 86340 s" in caplog.text


@pytest.mark.parametrize("ahead", [timedelta(seconds=75), timedelta(hours=3)])
def test_workers_whose_clocks_differ_run_a_job_once_per_period_and_log_nothing(
    worker_parts, clock, job, ran, caplog, ahead
):
    late, early = StuckTimes(), StuckTimes()
    for _ in range(400):  # a hundred seconds
        clock.advance(ahead)
        run_due(worker_parts, (job(),), early)
        clock.advance(-ahead)
        run_due(worker_parts, (job(),), late)
        clock.advance(timedelta(seconds=0.25))
    assert len(ran) == 10
    assert caplog.records == []


@pytest.mark.parametrize("written", ["'soon'", "5", "x'00ff'", "''", "'2026-13-45 10:00:00'"])
def test_a_time_that_is_no_date_stops_no_job(worker_parts, db, clock, job, ran, caplog, written):
    if not db.is_sqlite:
        written = "'infinity'"
    schedule = (job("one"), job("two"), job("three"))
    run_due(worker_parts, schedule)
    change(db, text(f"UPDATE scheduled_jobs SET next_at = {written} WHERE name = 'two'"))
    clock.advance(EVERY)
    assert [run_due(worker_parts, schedule) for _ in range(2)] == [3, 0]
    assert ran == ["one", "two", "three"] * 2
    assert caplog.text.count("schedule: the time of two is not a date") == 1


def test_two_machines_whose_clocks_differ_a_little_do_not_run_a_job_twice(worker_parts, clock, job, ran):
    clock.advance(timedelta(seconds=50))
    run_due(worker_parts, (job(),))
    clock.advance(timedelta(seconds=-50))
    assert run_due(worker_parts, (job(),)) == 0


@pytest.mark.parametrize("workers", [2, 6])
def test_several_workers_run_a_job_once_per_period(worker_parts, database_url, clock, job, ran, workers):
    schedule = [job(str(number)) for number in range(3)]
    periods, at_once, faults = 12, threading.Barrier(workers, action=lambda: clock.advance(EVERY)), []

    def work():
        own = replace(worker_parts, db=Database(database_url))
        try:
            for _ in range(periods):
                at_once.wait(60)
                run_due(own, schedule)
        except Exception as error:  # noqa: BLE001 - a thread's fault must fail the test
            faults.append(error)
            at_once.abort()
        own.db.dispose()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert sorted(ran) == sorted(each.name for each in schedule * periods)


def test_a_job_runs_outside_any_transaction(worker_parts, db, ran):
    def write(parts):
        with parts.db.write() as session:  # on SQLite a claim that was still open would be waited for
            session.execute(update(ScheduledTime).values(next_at=ScheduledTime.next_at))
        ran.append("wrote")

    run_due(worker_parts, [ScheduledJob("writes", EVERY, write)])
    assert ran == ["wrote"]


def test_rows_that_somebody_removed_come_back_and_ones_they_invented_do_nothing(
    worker_parts, db, clock, job, ran
):
    run_due(worker_parts, (job(),))
    forged = [{"name": name, "next_at": clock.now() - DAY} for name in ("os.system", "", "two")]
    change(db, delete(ScheduledTime), insert(ScheduledTime).values(forged))
    assert [run_due(worker_parts, (job(),)) for _ in range(2)] == [1, 0]
    assert ran == ["one", "one"]


def test_between_two_jobs_a_worker_that_is_told_to_stop_stops(worker_parts, job, ran):
    stopping = replace(worker_parts, stopping=lambda: bool(ran))
    assert run_due(stopping, (job("one"), job("two"))) == 1
    assert run_due(worker_parts, (job("one"), job("two"))) == 1
    assert ran == ["one", "two"]


def test_a_command_runs_everything_at_once_and_moves_no_time(worker_parts, clock, job, broken, ran, next_at):
    schedule = (job("one"), broken, job("two"))
    run_due(worker_parts, schedule)
    due = next_at()
    clock.advance(timedelta(seconds=1))
    run_schedule(worker_parts, schedule)
    assert ran == ["one", "broken", "two"] * 2
    assert next_at() == due


def test_every_scheduled_job_has_a_name_of_its_own_that_fits_its_row():
    names = [each.name for each in SCHEDULE]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= ScheduledTime.name.type.length
    assert all(each.every >= timedelta(seconds=10) for each in SCHEDULE)
