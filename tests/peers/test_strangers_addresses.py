"""What strangers type into forms keeps nobody else's mail from leaving, whatever the relay says of it."""

from datetime import timedelta

import pytest

from portal.campaigns.emails import Notice
from tests.peers.conftest import VICTIMS
from tests.peers.relays import RudeRelay

# What a relay says, and what follows. How it is written is tried on both databases in the other files.
pytestmark = pytest.mark.sqlite

TYPED = 60


def live(hands, clock, minutes):
    for _ in range(minutes):
        while hands.run():
            pass
        clock.advance(timedelta(minutes=1))


@pytest.mark.parametrize(
    "answer", ["550 5.1.2 no such domain", "550 no", "554 5.7.1 not there", "450 4.1.2 not found"]
)
def test_addresses_that_a_relay_refuses_hold_up_nobody(
    deliverer, enqueue, victims, row, counts, clock, smtp, caplog, answer
):
    for number in range(TYPED):
        enqueue(f"x{number}@nowhere.example")
    honest = enqueue("sam@example.com")
    smtp.answer_recipient = lambda address: answer if "nowhere" in address else "250 OK"
    deliverer_of_all = deliverer()
    while deliverer_of_all.run():
        pass
    assert {row(each).state for each in [*victims, honest]} == {"sent"}
    assert deliverer_of_all.delivery.paused_until is None
    assert "nowhere" not in caplog.text


def test_addresses_beyond_ascii_hold_up_nobody_where_the_relay_takes_none(
    deliverer, enqueue, victims, row, counts, clock
):
    for number in range(TYPED):
        enqueue(f"é{number}@example.org")
    with RudeRelay({}) as relay:
        hands = deliverer(relay.server, timeout=1)
        while hands.run():
            pass
    assert counts() == {"sent": VICTIMS, "failed": TYPED}


@pytest.mark.parametrize("answer", [b"550 5.6.7 no", b"451 4.6.7 not now"])
def test_a_relay_that_refuses_them_with_the_sender_goes_on_too(deliverer, enqueue, victims, row, answer):
    for number in range(TYPED):
        enqueue(f"é{number}@example.org")
    with RudeRelay({"EHLO": b"250-rude\r\n250 SMTPUTF8"}) as relay:
        relay.answers["MAIL"] = lambda: answer if b"SMTPUTF8" in relay.lines[-1] else b"250 fine"
        hands = deliverer(relay.server, timeout=1)
        while hands.run():
            pass
    assert {row(each).state for each in victims} == {"sent"}


def test_a_relay_that_refuses_everybody_fails_few_and_keeps_the_rest(
    deliverer, enqueue, victims, counts, clock, smtp, caplog
):
    for number in range(TYPED):
        enqueue(f"x{number}@example.org")
    with RudeRelay({"RCPT": b"550 relaying denied"}) as relay:
        live(deliverer(relay.server, timeout=1), clock, 3 * 60)
    # Of the notices nobody stays failed: the ones before it showed that the sender is blocked return.
    assert counts() == {"failed": 10, "queued": TYPED + VICTIMS - 10}
    assert "sender probably blocked" in caplog.text
    assert "typed into forms" in caplog.text
    live(deliverer(), clock, 60)
    assert counts() == {"failed": 10, "sent": TYPED + VICTIMS - 10}


def test_many_dead_addresses_of_a_list_are_asked_about_and_the_rest_get_their_notice(
    deliverer, enqueue, counts, clock, smtp
):
    """More of them than make us think that it is about us, and all before anybody else."""
    smtp.answer_recipient = lambda address: "550 5.1.1 gone" if address.startswith("gone") else "250 OK"
    for number in range(30):
        enqueue(f"gone{number}@example.com", Notice())
    clock.advance(timedelta(seconds=1))
    for number in range(VICTIMS):
        enqueue(f"victim{number}@example.com", Notice())
    live(deliverer(), clock, 5 * 60)
    assert len(smtp.messages) == VICTIMS
    assert counts()["failed"] >= 10


def test_what_was_typed_is_given_up_in_the_end(deliverer, enqueue, row, clock, smtp):
    smtp.answer_recipient = lambda address: "550 5.1.1 gone"
    typed = [enqueue(f"x{number}@example.org") for number in range(20)]
    live(deliverer(), clock, 40 * 60)
    assert {row(each).state for each in typed} == {"failed"}
    assert max(row(each).attempts for each in typed) == 48
