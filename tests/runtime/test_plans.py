"""No scheduled job scans a table that grows with the people, or changes many rows in one transaction."""

import re
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from portal.app import SCHEDULE
from portal.campaigns.series import progress
from portal.console import situation
from portal.core.db import Base, new_id
from portal.outbox import pace
from portal.runtime import turns
from portal.runtime.turns import Turns, delete_some, in_turns, update_some
from portal.subscriptions import service as subscriptions
from portal.web.limits import RateBucket
from tests.migrations import rows

# These grow with what the operator does, or hold one row. Any other table counts as one that grows.
SMALL = {
    "alembic_version",
    "audit_checkpoints",
    "audit_entries",
    "audit_head",
    "checklist_file_chunks",
    "checklist_files",
    "checklist_items",
    "exposure_active",
    "exposure_left_out_sets",
    "exposure_lists",
    "identity_hash_shapes",
    "incidents",
    "incidents_content",
    "incidents_drafts",
    "incidents_schedules",
    "intake_pace",
    "incidents_statements",
    "incidents_unconfirmed",
    "incidents_updates",
    "incidents_wordings",
    "key_canary",
    "notice_tasks",
    "notice_waves",
    "notices",
    "outbox_counts",
    "outbox_lanes",
    "outbox_ledger",
    "reset_requirements",
    "reset_runs",
    "scheduled_jobs",
    "site_changes",
    "site_contents",
    "staff_sessions",
    "storage_probes",
    "subscription_announcements",
    "worker_keys",
}
# A page of a table in the order of its key: read from the first row on, and up to a limit.
FIRST_PAGE = re.compile(r"SELECT (?!.* WHERE ).* ORDER BY \S+(, \S+)*\s+LIMIT \S+( OFFSET \S+)?$", re.DOTALL)
INDEXES = {
    "intake.tidy": "ix_intake_requests_due_at_asked_at",
    "outbox.tidy": "ix_outbox_mails_finished",
    "outbox.count_changed": "ix_outbox_mails_uncounted",
    "outbox.move_sent": "ix_outbox_mails_ended",
    "rotation.remind": "ix_rotation_choices_months_next_due_at",
}


@pytest.fixture
def everything(db, clock):
    """A database with rows in every table, all long over, or due."""
    rows.load(db, rows.written_by(rows.REVISIONS))
    clock.at = datetime(2028, 3, 1, tzinfo=UTC)


@contextmanager
def executed(db):
    seen: dict[str, Any] = {}

    def note(_connection, _cursor, statement, values, *_rest):
        seen.setdefault(statement, values)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def plans(db, seen):
    """The plan of each statement; PostgreSQL is told to scan only where no index serves."""
    explain = "EXPLAIN QUERY PLAN" if db.is_sqlite else "EXPLAIN"
    with db.engine.connect() as connection:
        if not db.is_sqlite:
            connection.exec_driver_sql("SET enable_seqscan = off")
        for statement, values in seen.items():
            if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT", "WITH")):
                one = values[0] if isinstance(values, list) else values
                lines = connection.exec_driver_sql(f"{explain} {statement}", one)
                yield statement, "\n".join(str(line[-1]) for line in lines)


def scanned(plan, *, is_sqlite):
    """The tables that a plan reads from end to end, or through an index that does not find the rows."""
    partial = r"\w+_(?:leased|uncounted)\b"  # these hold the few rows that are wanted, and no others
    if is_sqlite:
        using = rf" USING (?:COVERING )?INDEX {partial}"
        return set(re.findall(rf"^SCAN (\w+)(?!{using})", plan, re.MULTILINE))
    tables = set(re.findall(r"Seq Scan on (\w+)", plan))
    for node in re.split(r"\n(?=\s*(?:->|SubPlan|InitPlan))", plan):
        found = re.search(rf"Index (?:Only )?Scan (?:Backward )?using (?!{partial})\w+ on (\w+)", node)
        if found and "Filter:" in node and "Index Cond:" not in node:
            tables.add(found[1])
    return tables


def test_no_job_scans_a_table_that_grows(db, everything, worker_parts):
    grow = set(Base.metadata.tables) - SMALL
    found, used = [], {}
    for job in SCHEDULE:
        with executed(db) as seen:
            job.run(worker_parts)
        read = list(plans(db, seen))
        found += [
            (job.name, statement, tables)
            for statement, plan in read
            if (tables := scanned(plan, is_sqlite=db.is_sqlite) & grow)
            and not (FIRST_PAGE.match(statement) and "TEMP B-TREE" not in plan and "Sort" not in plan)
        ]
        used[job.name] = "\n".join(plan for _, plan in read)
    assert found == []
    # Another index would find these rows too, after reading most of the table.
    assert [name for name, index in INDEXES.items() if index not in used[name]] == []


def test_what_pages_of_staff_ask_again_and_again_scans_no_log_and_no_mail(db, everything, clock):
    # One row for each worker process of the last day.
    grow = (set(Base.metadata.tables) - SMALL - {"worker_heartbeats"}) | {"audit_entries"}
    with executed(db) as seen, db.read() as session:
        situation.rows(session, clock.now())
        situation.banners(session, ("en", "es"), clock.now())
        for notice in progress.campaigns(session):
            progress.ledger(session, notice)
        pace.measured_rate(session, clock.now())
        pace.accepted(session)
        subscriptions.count(session, new_id())
    assert [
        (statement, tables)
        for statement, plan in plans(db, seen)
        if (tables := scanned(plan, is_sqlite=db.is_sqlite) & grow)
    ] == []
    assert any("FROM audit_entries" in statement for statement in seen)
    assert any("FROM outbox_ledger" in statement for statement in seen)


@pytest.fixture
def buckets(db, clock):
    """1,300 rate buckets that ended two days ago, and one that has not."""
    with db.write() as session:
        session.add_all(
            RateBucket(bucket=new_id(), hits=1, ends_at=clock.now() - timedelta(days=2)) for _ in range(1300)
        )
        session.add(RateBucket(bucket=new_id(), hits=1, ends_at=clock.now() + timedelta(days=2)))


def full(seen):
    def step(_session, now, limit):
        seen.append(now)
        return limit

    return step


def left(db):
    with db.read() as session:
        return sorted(session.scalars(select(RateBucket.hits)))


def test_rows_go_in_turns_until_none_is_left(db, clock, buckets, worker_parts):
    gone = []

    def step(session, now, limit):
        gone.append(delete_some(session, RateBucket, RateBucket.ends_at < now, limit))
        assert gone[-1] <= limit <= 500
        return gone[-1]

    assert in_turns(worker_parts, step)
    assert gone[0] == 10
    assert len(gone) > 2
    assert sum(gone) == 1300
    assert left(db) == [1]


@pytest.mark.parametrize(("seconds", "following"), [(0, 80), (0.025, 40), (0.03, 33), (0.5, 10)])
def test_the_last_turn_decides_how_much_the_next_one_does(seconds, following, db, monkeypatch):
    times = iter((100.0, 100.0 + seconds + 1e-6))
    monkeypatch.setattr(turns, "monotonic", lambda: next(times))
    job = Turns(db)
    job.rows = 40
    with job.take():
        pass
    assert job.rows in {following, following - 1}


def test_no_turn_changes_more_rows_than_it_may(db, clock, buckets, worker_parts):
    def step(session, _now, _limit):
        return update_some(session, RateBucket, RateBucket.hits == 1, {"hits": 2}, 2)

    assert in_turns(worker_parts, step)
    assert left(db) == [1] * 1299 + [2, 2]


def test_a_job_leaves_the_rest_to_its_next_run(worker_parts):
    seen: list[Any] = []
    assert not in_turns(worker_parts, full(seen))
    assert len(seen) == 50


def test_a_worker_that_stops_ends_after_the_turn(worker_parts):
    seen: list[Any] = []
    stopping = replace(worker_parts, stopping=lambda: len(seen) == 2)
    assert not in_turns(stopping, full(seen))
    assert len(seen) == 2
