"""When the last mail of a notice leaves: by the queue, the waves and the throttle, and at which rate."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from portal.campaigns import jobs
from portal.campaigns.series.forecast import Ahead, last_leaves
from portal.outbox.models import OutboxMail
from portal.worker import drain
from tests.campaigns.conftest import SLUG, numbered
from tests.campaigns.test_series import start, status

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def at(hour, minute=0, second=0):
    return datetime(2026, 11, 29, hour, minute, second, tzinfo=UTC)


@pytest.mark.parametrize(
    ("in_queue", "waves", "per_hour", "leaves"),
    [
        (0, [], None, at(12)),
        (600, [], None, at(12, 5)),  # the queue alone
        (0, [Ahead(600)], None, at(12, 5)),
        (600, [Ahead(600)], None, at(12, 10)),  # after what is in the queue
        (600, [Ahead(600), Ahead(1200)], None, at(12, 20)),
        (600, [Ahead(600, at(15))], None, at(15, 5)),  # the queue is empty by then
        (600, [Ahead(600, at(12, 3))], None, at(12, 10)),  # and here it is not
        (600, [Ahead(600, at(9))], None, at(12, 10)),  # its time has come
        (0, [Ahead(600, at(15)), Ahead(600)], None, at(15, 10)),  # the next waits for this one
        (0, [Ahead(600)], 300, at(14)),  # queued within two hours
        (0, [Ahead(600)], 36_000, at(12, 5)),  # queued faster than they leave
        (0, [Ahead(600), Ahead(300)], 300, at(15)),  # the throttle counts across waves
        (0, [Ahead(600), Ahead(300, at(18))], 300, at(19)),
        (7200, [Ahead(60)], 300, at(13, 0, 30)),  # the queue takes longer than the throttle
        (0, [Ahead(0, at(15))], None, at(15)),
    ],
)
def test_the_last_leaves_after_the_queue_and_each_wave(in_queue, waves, per_hour, leaves):
    assert last_leaves(NOON, 2.0, in_queue, waves, per_hour) == leaves


def test_a_page_says_when_the_last_leaves_once_the_rate_is_measured(operator, office, clock, worker_parts):
    operator.live(numbered(61))
    rest = clock.now() + timedelta(hours=2)
    start(operator, "--wave", "51", "--wave", f"rest@{rest.isoformat()}")
    jobs.resume(worker_parts)
    browser = office.as_role("author")
    page = f"/notices/{SLUG}/1/"
    assert status(operator)[0]["last_leaves_at"] is None
    assert "At the present rate" not in browser.get(page).text
    drain(worker_parts)
    assert status(operator)[0]["states"]["sent"] == 51
    with operator.db.write() as session:  # as if one had left a second
        (first,) = session.scalars(select(OutboxMail.id).limit(1))
        earlier = clock.now() - timedelta(seconds=50)
        session.execute(update(OutboxMail).where(OutboxMail.id == first).values(finished_at=earlier))
    leaves = f"{rest + timedelta(seconds=10):%Y-%m-%dT%H:%M:%SZ}"  # one a second
    assert status(operator)[0]["last_leaves_at"] == leaves
    said = browser.get(page).text.split("At the present rate, the last one leaves:")[1]
    assert f'<time datetime="{leaves}"' in said[:60]
