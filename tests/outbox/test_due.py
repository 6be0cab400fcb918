"""The look for due mails, which every worker repeats four times a second."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import insert, text

from portal.core.db import new_id
from portal.outbox.bulk import lanes
from portal.outbox.models import OutboxMail
from tests.traces import plans

SECOND = timedelta(seconds=1)

PRIORITIES = {"asked": 0, "security": 1, "legal": 2, "updates": 3}


@pytest.fixture
def add(db, clock):
    def put(stream, due_at, count=1, state="queued"):
        row = {"purpose": "check", "priority": PRIORITIES[stream], "state": state, "due_at": due_at}
        row |= {"created_at": clock.now(), "payload": b"x"}
        with db.write() as session:
            session.execute(insert(OutboxMail), [row | {"id": new_id()} for _ in range(count)])

    return put


def due(db, clock):
    with db.read() as session:
        return lanes.any_due(session, clock.now())


@pytest.mark.parametrize("stream", PRIORITIES)
def test_a_mail_of_any_kind_is_due_from_its_time_on(db, clock, add, stream):
    add(stream, None, state="sent")
    add(stream, None, state="uncertain")
    add(stream, clock.now() + SECOND)
    assert not due(db, clock)
    clock.advance(SECOND)
    assert due(db, clock)


def test_the_look_reads_an_index_however_many_wait_or_were_sent(db, clock, add):
    add("legal", clock.now() + SECOND, 3000)
    add("updates", clock.now() + SECOND, 3000)
    add("legal", None, 3000, state="sent")
    with db.write() as session:
        session.execute(text("ANALYZE"))
    _pause, _lanes, plan = plans(db, lambda: due(db, clock))
    # By both of its columns: to walk through all that waits would use the index too.
    both = (
        r"ix_outbox_mails_due \(priority=\? AND due_at<\?\)"
        if db.is_sqlite
        else r"Index Cond: .*priority.*due_at"
    )
    assert re.search(both, plan)
    assert not re.search(r"^SCAN|Seq Scan", plan, re.MULTILINE)
