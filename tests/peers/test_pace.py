"""How long mail waits, and how much one connection carries."""

from datetime import timedelta

import pytest

from portal.campaigns.emails import Notice
from tests.peers.relays import RudeRelay


def test_a_mail_that_is_being_sent_is_its_worker_s_for_five_minutes(deliverer, enqueue, row, clock):
    waiting, leases = enqueue(), []

    def taken():
        leases.append(row(waiting).due_at - clock.now())
        return b"250 taken"

    with RudeRelay({".": taken}) as relay:
        deliverer(relay.server).run()
    assert leases == [timedelta(minutes=5)]


@pytest.mark.parametrize(
    ("mail", "waits"),
    [
        (None, [timedelta(seconds=20), timedelta(hours=12)]),
        (Notice(), [timedelta(hours=1), timedelta(hours=24)]),
    ],
)
def test_what_may_have_left_is_sent_twice_more_much_later_where_nobody_waits_for_it(
    deliverer, enqueue, row, clock, mail, waits
):
    waiting, seen = enqueue(mail=mail), []
    with RudeRelay({".": RudeRelay.DROP}) as relay:
        while True:
            deliverer(relay.server, timeout=1).run()
            if row(waiting).due_at is None:
                break
            seen.append(row(waiting).due_at - clock.now())
            clock.advance(seen[-1])
        assert len(relay.taken) == 3
    assert seen == waits


def test_a_relay_that_refuses_us_is_asked_again_after_a_minute(deliverer, enqueue, counts, clock):
    enqueue()
    with RudeRelay({"MAIL": b"553 not from you"}) as relay:
        hands = deliverer(relay.server)
        hands.run()
        relay.answers["MAIL"] = b"250 fine"
        clock.advance(timedelta(seconds=59))
        assert hands.run() == 0
        clock.advance(timedelta(seconds=1))
        assert hands.run() == 1
    assert counts() == {"sent": 1}


def test_a_relay_that_is_away_is_asked_again_every_five_minutes_at_last(deliverer, enqueue, gone, clock):
    enqueue()
    hands, waits = deliverer(gone), []
    for _ in range(7):
        hands.run()
        waits.append((hands.delivery.paused_until - clock.now()).total_seconds())
        clock.at = hands.delivery.paused_until
    assert waits == [20, 40, 80, 160, 300, 300, 300]


@pytest.mark.parametrize(("refused", "connections"), [(9, 1), (10, 2)])
def test_nine_refused_recipients_in_a_row_are_said_over_one_connection(
    deliverer, enqueue, refused, connections
):
    """Postfix takes who names ten for somebody who guesses."""
    for number in range(refused):
        enqueue(f"person{number}@example.com")
    with RudeRelay({"RCPT": b"550 5.1.1 no such mailbox"}) as relay:
        deliverer(relay.server).run()
        assert relay.connections == connections


@pytest.mark.parametrize(("mails", "connections"), [(500, 1), (501, 2)])
def test_five_hundred_mails_leave_over_one_connection(deliverer, enqueue, mails, connections):
    for number in range(mails):
        enqueue(f"person{number}@example.com")
    with RudeRelay({}) as relay:
        hands = deliverer(relay.server)
        while len(relay.taken) < mails:
            assert hands.run() > 0
        assert relay.connections == connections
