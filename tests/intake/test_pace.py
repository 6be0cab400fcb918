"""Requests of everybody together are slowed, and nobody of them is refused."""

import time
from dataclasses import replace

import pytest

from portal.core.clock import SystemClock
from portal.intake.models import IntakeRequest
from portal.worker import Worker
from tests.configured import configured

# The worker's pace is its own, not the database's.
pytestmark = pytest.mark.sqlite

REQUESTS = 15


def test_fifteen_requests_at_four_a_second_take_three_seconds_and_all_are_answered(
    client, db, worker_parts, smtp
):
    for number in range(REQUESTS):
        assert client.submit("/reset/", email=f"person{number}@northwind.example").status_code == 303

    def waiting():
        with db.read() as session:
            return session.query(IntakeRequest).count()

    assert waiting() == REQUESTS
    settings = configured(worker_parts.settings, limits={"intake_global": "4 per second"})
    worker = Worker(replace(worker_parts, settings=settings, clock=SystemClock()), ())
    begun = time.monotonic()
    threads = worker.start()
    try:
        while waiting() and time.monotonic() < begun + 30:
            time.sleep(0.01)
        took = time.monotonic() - begun
        smtp.wait_for(REQUESTS)
    finally:
        worker.stop()
        for thread in threads:
            thread.join()
    assert took >= 2.9
    assert sorted(mail.recipients for mail in smtp.messages) == sorted(
        (f"person{number}@northwind.example",) for number in range(REQUESTS)
    )
