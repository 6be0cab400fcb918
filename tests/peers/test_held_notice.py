"""A notice that is paused and resumed while workers are killed: nobody is missed, hardly anybody twice."""

import time
from collections import Counter
from datetime import UTC, datetime

import pytest

from portal.campaigns import service as campaigns
from portal.campaigns.series import steering
from portal.incidents import service as incidents
from tests.campaigns.test_series import recounted
from tests.peers.test_worker import held, notice, states, workers

__all__ = ["held", "notice", "workers"]
PEOPLE, KILLS, CONNECTIONS = 400, 4, 2


@pytest.fixture
def people():
    return PEOPLE


@pytest.fixture
def connections():
    return CONNECTIONS


def hold(db):
    """Pause the notice, as a process does that has no keys."""
    with db.write() as session:
        campaign = steering.locked(session, incidents.by_slug(session, "november").id)
        steering.pause(session, campaign, datetime.now(UTC), reason="wrong")


def resume(db, vault):
    with db.write() as session:
        campaign = steering.locked(session, incidents.by_slug(session, "november").id)
        steering.resume(session, vault, campaign, datetime.now(UTC))


def test_a_pause_holds_at_once_and_kills_lose_nobody(environ, db, worker_vault, smtp, workers, notice, held):
    for kill in range(KILLS):
        before = len(smtp.messages)
        workers.begin()
        workers.wait_until(lambda before=before: len(smtp.messages) >= before + 15)
        hold(db)
        time.sleep(0.4)  # what was handed over by then arrives
        stopped = len(smtp.messages)
        if kill % 2:  # a worker dies while it holds, and another comes
            workers.kill()
            workers.begin()
        time.sleep(1)
        assert len(smtp.messages) == stopped
        resume(db, worker_vault)
        late = len(held)
        workers.wait_until(lambda late=late: len(held) > late)
        workers.kill()
    assert states(db).keys() - {"sent"}, "the kills came after the work"
    workers.begin()
    workers.wait_until(lambda: states(db) == {"sent": PEOPLE}, look=0.1)
    copies = Counter(mail.recipients for mail in smtp.messages)
    assert set(copies) == {(f"person{number}@example.com",) for number in range(PEOPLE)}
    assert len(smtp.messages) - PEOPLE <= (KILLS + KILLS // 2) * CONNECTIONS
    with db.read() as session:
        (campaign,) = campaigns.campaigns(session)
        assert campaigns.ledger(session, campaign).adds_up
    recounted(db)
