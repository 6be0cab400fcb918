"""A relay that takes an envelope's commands in one go (RFC 2920), as most do, and says no to one of them."""

from datetime import timedelta

import pytest

from tests.peers.relays import RudeRelay

# What a relay says, and what follows. How it is written is tried on both databases in the other files.
pytestmark = pytest.mark.sqlite

PEOPLE = 8
GOING = b"421 4.3.2 shutting down" + RudeRelay.THEN_DROP


@pytest.fixture
def eight(enqueue):
    return [enqueue(f"person{number}@example.com") for number in range(PEOPLE)]


@pytest.fixture(params=[True, False], ids=["pipelining", "one by one"])
def envelope(request):
    return {"EHLO": RudeRelay.PIPELINING} if request.param else {}


def live(hands, clock, hours=1):
    for _ in range(hours * 60):
        while hands.run():
            pass
        clock.advance(timedelta(minutes=1))


def whole(relay):
    """The messages that the relay has for somebody; an empty one goes nowhere."""
    return [message["To"] for message in relay.taken if message["To"]]


def test_the_commands_come_in_one_go_and_every_mail_arrives(deliverer, eight, counts):
    with RudeRelay({"EHLO": RudeRelay.PIPELINING}) as relay:
        deliverer(relay.server, timeout=1).run()
    assert counts() == {"sent": PEOPLE}
    assert sorted(whole(relay)) == [f"person{number}@example.com" for number in range(PEOPLE)]
    assert relay.connections == 1


def test_a_carriers_address_with_dots_is_quoted_in_the_envelope(deliverer, enqueue, envelope):
    enqueue("taro..x@docomo.ne.jp")
    with RudeRelay(envelope) as relay:
        deliverer(relay.server, timeout=1).run()
    recipients = [line.rstrip() for line in relay.lines if line.startswith(b"RCPT")]
    assert recipients == [b'RCPT TO:<"taro..x"@docomo.ne.jp>']


@pytest.mark.parametrize(
    "answer", [GOING, b"421 later", b"452 4.3.1 no room", b"553 not from you", RudeRelay.DROP, RudeRelay.HANG]
)
def test_what_is_said_before_a_recipient_uses_up_nobody_s_tries(
    deliverer, eight, row, clock, counts, smtp, caplog, envelope, answer
):
    with RudeRelay(envelope | {"MAIL": answer}) as relay:
        live(deliverer(relay.server, timeout=0.2), clock)
    assert counts() == {"queued": PEOPLE}
    assert {row(each).attempts for each in eight} == {0}
    assert "outbox: mail relay" in caplog.text
    assert whole(relay) == []
    live(deliverer(), clock)
    assert len(smtp.messages) == PEOPLE


@pytest.mark.parametrize(
    "data", [b"354 go on", b"503 no recipient", b"554 no valid recipients", RudeRelay.DROP]
)
def test_one_who_is_refused_gets_nothing_and_the_rest_do(
    deliverer, eight, enqueue, row, counts, envelope, data
):
    refused = enqueue("gone@example.com")
    with RudeRelay(envelope) as relay:
        gone: list[bool] = []

        def recipient():
            gone[:] = [b"gone" in relay.lines[-1]]
            return b"550 5.1.1 no such mailbox" if gone[0] else b"250 fine"

        relay.answers |= {"RCPT": recipient, "DATA": lambda: data if gone[0] else b"354 go on"}
        deliverer(relay.server, timeout=1).run()
        assert len(whole(relay)) == PEOPLE
    assert counts() == {"sent": PEOPLE, "failed": 1}
    assert (row(refused).reason, row(refused).attempts) == ("smtp-550", 1)
    assert not any("gone" in to for to in whole(relay))


@pytest.mark.parametrize("answer", [b"451 not now", RudeRelay.DROP, RudeRelay.HANG])
@pytest.mark.parametrize("where", ["RCPT", "DATA"])
def test_what_is_said_of_a_recipient_for_now_is_tried_again(
    deliverer, enqueue, row, clock, envelope, where, answer
):
    waiting = enqueue()
    with RudeRelay(envelope | {where: answer}) as relay:
        hands = deliverer(relay.server, timeout=0.2)
        hands.run()
        assert (row(waiting).state, row(waiting).attempts) == ("queued", 1)
        assert whole(relay) == []
        del relay.answers[where]
        clock.advance(timedelta(minutes=1))
        hands.run()
        assert whole(relay) == ["sam@example.com"]
    assert row(waiting).state == "sent"


@pytest.mark.parametrize("where", ["RCPT", "DATA"])
def test_a_relay_that_says_goodbye_uses_up_no_try(deliverer, enqueue, row, envelope, where):
    waiting = enqueue()
    with RudeRelay(envelope | {where: GOING}) as relay:
        deliverer(relay.server, timeout=0.2).run()
    assert (row(waiting).state, row(waiting).reason, row(waiting).attempts) == ("queued", "smtp-421", 0)


def test_a_message_that_is_refused_as_a_whole_fails(deliverer, enqueue, row, envelope):
    waiting = enqueue()
    with RudeRelay(envelope | {"DATA": b"550 5.6.0 no"}) as relay:
        deliverer(relay.server, timeout=1).run()
    assert (row(waiting).state, row(waiting).reason) == ("failed", "smtp-550")
    assert whole(relay) == []


@pytest.mark.parametrize("ending", [GOING, RudeRelay.DROP])
def test_a_kept_connection_that_the_relay_ends_is_opened_anew_without_a_pause(
    deliverer, eight, counts, envelope, ending
):
    with RudeRelay(envelope) as relay:
        relay.answers["MAIL"] = lambda: ending if relay.heard.count("MAIL") == 4 else b"250 fine"
        deliverer(relay.server, timeout=1).run()
        assert relay.connections == 2
    assert counts() == {"sent": PEOPLE}
    assert len(set(whole(relay))) == len(whole(relay)) == PEOPLE


def test_a_long_run_of_refused_recipients_is_not_said_over_one_connection(
    deliverer, enqueue, counts, envelope
):
    """Many relays take them for guesses, and hang up."""
    for number in range(20):
        enqueue(f"person{number}@example.com")
    with RudeRelay(envelope | {"RCPT": b"550 5.1.1 no such mailbox"}) as relay:
        deliverer(relay.server, timeout=1).run()
        assert relay.connections == 3


@pytest.mark.parametrize("word", ["connect", "EHLO", "MAIL", "RCPT", "DATA", "."])
def test_a_reply_without_an_end_is_not_waited_for(deliverer, enqueue, counts, clock, envelope, word):
    """More lines than a reply has, or so many that each comes in time and the whole never does."""
    enqueue()
    with RudeRelay(envelope | {word: b"250-still scanning\r\n" * 20_000 + b"250 taken"}) as relay:
        deliverer(relay.server, timeout=2, answer=2).run()
        assert len(whole(relay)) == (word == ".")
    assert counts() == {"uncertain" if word == "." else "queued": 1}


def test_a_reply_that_trickles_in_ends_with_the_time_out(deliverer, enqueue, counts):
    enqueue()
    with RudeRelay({}) as relay:
        relay.answers["."] = lambda: relay.trickle(b"250-still scanning\r\n" * 90 + b"250 taken", pause=0.1)
        deliverer(relay.server, timeout=0.5, answer=0.5).run()
    assert counts() == {"uncertain": 1}
