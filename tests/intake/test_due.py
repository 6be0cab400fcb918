"""The look for due requests, which every worker repeats four times a second."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import insert, text

from portal.core.db import new_id
from portal.intake import service
from portal.intake.models import IntakeRequest
from tests.traces import plans

SECOND = timedelta(seconds=1)


@pytest.fixture
def add(db, clock):
    def put(state, due_at, count=1):
        row = {"purpose": "check", "state": state, "asked_at": clock.now(), "due_at": due_at, "sealed": b"x"}
        with db.write() as session:
            session.execute(insert(IntakeRequest), [row | {"id": new_id()} for _ in range(count)])

    return put


def due(db, clock):
    with db.read() as session:
        return service.any_due(session, clock.now())


@pytest.mark.parametrize("state", ["waiting", "held"])
def test_a_request_is_due_from_its_time_on(db, clock, add, state):
    assert not due(db, clock)
    add(state, clock.now() + SECOND)
    assert not due(db, clock)
    clock.advance(SECOND)
    assert due(db, clock)


def test_what_waits_for_a_list_or_was_set_aside_is_not_due(db, clock, add):
    add("held", None)
    add("failed", None)
    add("failed", clock.now() - SECOND)  # as only a forger writes it: nobody claims it, so nobody need look
    assert not due(db, clock)


def test_the_look_reads_an_index_however_many_wait(db, clock, add):
    add("held", None, 3000)
    add("waiting", clock.now() + SECOND, 3000)
    with db.write() as session:
        session.execute(text("ANALYZE"))
    (plan,) = plans(db, lambda: due(db, clock))
    assert re.search(r"ix_intake_requests_(state_)?(lane_)?due_at(_asked_at)?\b", plan)
    assert not re.search(r"^SCAN|Seq Scan", plan, re.MULTILINE)
