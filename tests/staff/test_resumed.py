"""Approved requests that no worker has done are done by the next one, and one keeps no other waiting."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from portal.core.db import sqlite_file
from portal.core.locks.process import process_lock
from portal.staff.approvals import jobs, service
from portal.staff.approvals.service import Action
from portal.staff.roles import Role
from tests.staff.test_approvals import state


@pytest.fixture
def approved(office):
    """Two requests that were approved two minutes ago and not done: parts, ids, and which are done since."""
    asker, second, done = office.add("author"), office.add("approver"), []

    def perform(_parts, fields, _shown):
        done.append(fields["number"])
        return {}

    action = Action(lambda _session, fields: dict(fields), perform, ask=frozenset({Role.AUTHOR}))
    parts = replace(office.parts, actions={**office.parts.actions, "slow": action})
    now, ids = office.clock.now(), []
    with office.db.write() as session:
        for number in ("1", "2"):
            asked = service.ask(session, parts.vault, action, "slow", {"number": number}, "", asker.id, now)
            service.approve(session, parts.vault, asked, second.id, {"how": "totp"}, now)
            ids.append(asked.id)
    office.advance(timedelta(minutes=2))
    return parts, ids, done


@pytest.mark.sqlite  # PostgreSQL's lock has no file
@pytest.mark.parametrize("at", [0, 1])
def test_a_lock_that_cannot_be_opened_keeps_no_other_request_waiting(office, approved, caplog, at):
    parts, ids, done = approved
    file = sqlite_file(office.db.engine.url)
    assert file is not None
    lock = file.with_name(f"{file.name}.request-{ids[at].hex()}-lock")
    lock.mkdir()
    jobs.resume(parts)
    assert done == ["2" if at == 0 else "1"]
    assert (
        f"staff: request {ids[at].hex()} waits: its lock could not be used (Is a directory: " in caplog.text
    )
    assert f"{lock}); unless another user's worker is at it, remove what lies at that path" in caplog.text
    lock.rmdir()
    jobs.resume(parts)
    assert sorted(done) == ["1", "2"]
    assert state(office) == ["done", "done"]


def test_a_request_that_is_under_way_for_long_is_told_of_once_an_hour(office, approved, caplog):
    parts, ids, done = approved
    with jobs._lock(parts, ids[0]), caplog.at_level(logging.WARNING):
        for _minute in range(2, 75):
            jobs.resume(parts)
            office.advance(timedelta(minutes=1))
    told = [record.message for record in caplog.records if record.name == "portal.staff"]
    assert [line.partition(";")[0] for line in told] == [
        f"staff: request {ids[0].hex()} is under way for {minutes} minutes" for minutes in (10, 70)
    ]
    assert done == ["2"]


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)  # SQLite's lock is a file
def test_a_lock_whose_connection_is_lost_undoes_nothing(office):
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    with process_lock(office.db, "it-lock", 7, jobs.UnderWay), office.db.engine.connect() as connection:
        held = "pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 7)"
        connection.exec_driver_sql(f"{others} AND datname = current_database() AND {held}")
    with process_lock(office.db, "it-lock", 7, jobs.UnderWay):
        pass
