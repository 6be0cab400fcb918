"""Relays that throttle, greylist, count a quota or lose connections: each gets what it takes, all arrive.

They count by the test's own clock: no test waits.
"""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from portal.campaigns.emails import Notice
from portal.outbox import pace
from portal.outbox.deliver import Delivery
from tests.configured import configured
from tests.peers.relays import RudeRelay

QUARTER = timedelta(seconds=0.25)


@pytest.fixture
def notices(enqueue):
    def put(people):
        return [enqueue(f"victim{number}@example.com", Notice()) for number in range(people)]

    return put


def live(hands, clock, rounds, step=QUARTER):
    """Look as often as a worker does."""
    for _ in range(rounds):
        while hands.run():
            pass
        clock.advance(step)


class TestThrottled:
    """A relay that accepts 14 mails in each second, as SES says no beyond: 454 after the content."""

    @pytest.fixture
    def throttling(self, clock):
        seconds: Counter[int] = Counter()

        def answer():
            second = int(clock.now().timestamp())
            seconds[second] += 1
            return b"250 taken" if seconds[second] <= 14 else b"454 Throttling failure: too fast"

        return answer

    def test_it_gets_at_least_four_fifths_of_what_it_allows(
        self, deliverer, notices, clock, counts, throttling, row
    ):
        everyone = notices(500)
        with RudeRelay({".": throttling}) as relay:
            live(deliverer(relay.server), clock, 30 * 4)
        assert counts()["sent"] >= 0.8 * 14 * 30
        assert counts().keys() <= {"sent", "queued"}
        waiting = [row(each) for each in everyone if row(each).state == "queued"]
        assert {each.attempts for each in waiting} == {0}

    def test_one_rate_counts_for_all_workers(self, deliverer, notices, clock, counts, throttling):
        notices(300)
        with RudeRelay({".": throttling}) as relay:
            one, two = deliverer(relay.server), deliverer(relay.server)
            for _ in range(20):
                live(one, clock, 1, QUARTER / 2)
                live(two, clock, 1, QUARTER / 2)
            tries = len(relay.taken)
        assert counts()["sent"] <= 14 * 6
        assert tries <= 1.5 * counts()["sent"]

    def test_an_operators_rate_is_not_exceeded(self, deliverer, notices, clock, counts, worker_parts, db):
        notices(100)
        with RudeRelay({}) as relay:
            hands = deliverer(relay.server)
            limited = configured(worker_parts.settings, mail={"rate": "4 per second"})
            hands.delivery = Delivery(replace(worker_parts, settings=limited), hands.delivery.composer)
            live(hands, clock, 10 * 4)
        assert 36 <= counts()["sent"] <= 42

    def test_what_somebody_waits_for_goes_first_and_teaches_no_rate(
        self, deliverer, enqueue, clock, counts, db
    ):
        enqueue()
        with RudeRelay({".": b"454 too fast"}) as relay:
            live(deliverer(relay.server), clock, 4)
        with db.read() as session:
            assert pace.paces(session) == {}
        assert counts() == {"queued": 1}


@pytest.mark.parametrize("words", [b"450 4.2.0 greylisted", b"451 4.7.1 greylisted, come back"])
def test_greylisting_pauses_nobody_and_everyone_arrives_after_five_minutes(
    deliverer, notices, clock, counts, smtp, caplog, words
):
    """The relay delays each recipient for five minutes after the first try."""
    seen: dict[str, datetime] = {}

    def answer(address):
        first = seen.setdefault(address, clock.now())
        return "250 OK" if clock.now() - first >= timedelta(minutes=3) else words.decode()

    smtp.answer_recipient = answer
    notices(60)
    live(deliverer(), clock, 60, timedelta(seconds=1))
    assert len(seen) == 60
    assert counts() == {"queued": 60}
    live(deliverer(), clock, 8 * 60, timedelta(seconds=1))
    assert counts() == {"sent": 60}
    assert "blocked" not in caplog.text
    assert "pausing 20 s" not in caplog.text


@pytest.mark.parametrize("where", ["MAIL", "RCPT", "."])
def test_a_quota_after_twenty_fails_nobody(deliverer, notices, clock, counts, caplog, where):
    notices(60)
    with RudeRelay({}) as relay:
        over = b"550 5.4.5 daily user sending limit exceeded"
        relay.answers[where] = lambda: (
            over if sum(word == "DATA" for word in relay.heard) >= 20 else b"250 ok"
        )
        hands = deliverer(relay.server)
        live(hands, clock, 60, timedelta(minutes=1))
        assert counts().keys() == {"sent", "queued"}
        assert 19 <= counts()["sent"] <= 20
        assert "quota" in caplog.text
        del relay.answers[where]
        live(hands, clock, 30, timedelta(minutes=1))
    assert counts() == {"sent": 60}


def test_of_refusals_in_a_row_nobody_stays_failed(deliverer, notices, clock, counts, smtp, caplog):
    notices(60)
    smtp.answer_recipient = lambda address: "550 we do not know you" if len(smtp.messages) >= 20 else "250 OK"
    hands = deliverer()
    live(hands, clock, 60, timedelta(minutes=1))
    assert counts() == {"sent": 20, "queued": 40}
    assert "10 failed mails are queued again" in caplog.text
    smtp.answer_recipient = lambda address: "250 OK"
    live(hands, clock, 30, timedelta(minutes=1))
    assert counts() == {"sent": 60}
    assert len({mail.recipients for mail in smtp.messages}) == 60


class TestDrops:
    """The connection ends after the final dot: once is one recipient's matter, three times the relay's."""

    def test_one_now_and_then_pauses_nothing(self, deliverer, notices, counts, caplog):
        notices(60)
        with RudeRelay({}) as relay:
            relay.answers["."] = lambda: RudeRelay.DROP if not len(relay.taken) % 10 else b"250 taken"
            deliverer(relay.server).run(60)
        assert counts() == {"sent": 54, "uncertain": 6}
        assert "pausing" not in caplog.text
        assert "retrying in 3600 s" in caplog.text

    def test_three_in_a_row_pause_notices_and_what_was_asked_for_goes_on(
        self, deliverer, notices, enqueue, row, counts, caplog
    ):
        notices(10)
        with RudeRelay({".": RudeRelay.DROP}) as relay:
            hands = deliverer(relay.server)
            hands.run()
            assert len(relay.taken) == 3
            assert "pausing 20 s" in caplog.text
            asked = enqueue()
            del relay.answers["."]
            assert hands.run() == 1
        assert row(asked).state == "sent"
        assert counts() == {"sent": 1, "uncertain": 3, "queued": 7}

    def test_the_last_try_is_not_said_to_be_retried(self, deliverer, enqueue, clock, caplog):
        enqueue()
        with RudeRelay({".": RudeRelay.DROP}) as relay:
            for _ in range(3):
                caplog.clear()
                deliverer(relay.server).run()
                clock.advance(timedelta(hours=24))
        assert "not retried" in caplog.text
        assert "retrying" not in caplog.text
