"""Whoever has a copy of the database does not learn from the prepared links who chose a password when."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from portal.core.clock import FixedClock
from portal.identity.models import AccountState
from portal.intake.models import IntakeReply
from portal.outbox.models import OutboxMail
from portal.reset.require.cohorts import Everyone, Tools
from portal.reset.require.run import require
from portal.runtime import backup
from portal.worker import drain
from tests.reset.journey import ANA, NEW, link_in
from tests.visitor import hidden, leads_to

NAMES = [f"p{number}@northwind.example" for number in range(12)]
CHOSE = [NAMES[3], NAMES[8]]
WHILE = timedelta(hours=1, minutes=17, seconds=5)


@dataclass
class Ticking(FixedClock):
    """A clock that goes on by itself, as it does while a command works."""

    def now(self) -> datetime:
        self.advance(timedelta(seconds=1))
        return self.at


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 23, 9, 47, 53, 123_456, tzinfo=UTC))


@pytest.fixture
def choose(client, smtp):
    """Choose a new password by the link of the newest mail to somebody."""

    def work(address):
        page = client.get(link_in(smtp.to(address)[-1]), follow_redirects=True)
        chosen = client.post("/reset/choose/", data=hidden(page.text) | {"password": NEW})
        assert leads_to(chosen) == "/reset/done/"

    return work


@pytest.fixture
def required(people, db, worker_vault, clock):
    for name in NAMES:
        people.add(name)
    tools = Tools(db, worker_vault, Ticking(clock.now()))
    tally = require(tools, Everyone(), lambda _number: None)
    assert tally.mails == 12
    clock.advance(timedelta(minutes=1))


def test_all_rows_of_one_required_reset_have_one_time(required, db):
    with db.read() as session:
        times = [
            set(session.scalars(select(column)))
            for column in (AccountState.reset_required_at, IntakeReply.created_at, OutboxMail.created_at)
        ]
    assert times[0] == times[1] == times[2]
    assert len(times[0]) == 1


def test_a_link_that_was_used_tells_the_day_alone(required, db, worker_parts, clock, choose):
    drain(worker_parts)
    for name in CHOSE:
        clock.advance(WHILE)
        choose(name)
    backup.vacuum(db)  # which sorts PostgreSQL's files
    with db.read() as session:
        spent = session.scalars(select(IntakeReply.spent_at).where(IntakeReply.spent_at.is_not(None))).all()
        # Every column, or SQLite would read an index instead of the table.
        place = "" if db.is_sqlite else " ORDER BY ctid"
        stored = [bytes(row.id) for row in session.execute(text(f"SELECT * FROM intake_replies{place}"))]
    assert spent == [datetime(2026, 11, 23, tzinfo=UTC)] * 2
    # Accounts were closed in the order of their keys.
    assert len(stored) == 12
    assert stored == sorted(stored)


def test_the_end_of_a_link_does_not_say_when_its_mail_left(required, db, worker_parts, client, people):
    people.add(ANA)
    client.submit("/reset/", email=ANA)
    drain(worker_parts)
    with db.read() as session:
        ends = sorted(session.scalars(select(IntakeReply.expires_at)))
    assert ends == [datetime(2026, 11, 24, 10, tzinfo=UTC)] + [datetime(2026, 11, 30, 10, tzinfo=UTC)] * 12
