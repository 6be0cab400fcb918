"""A relay that is in trouble itself: nobody's mail is given up for what is not about them."""

from datetime import timedelta

import pytest
from click.testing import CliRunner

from portal.outbox import jobs as outbox_jobs
from portal.outbox.commands import outbox
from portal.runtime.context import Context
from tests.peers.relays import RudeRelay

# What a relay says, and what follows. How it is written is tried on both databases in the other files.
pytestmark = pytest.mark.sqlite

PEOPLE = 25


@pytest.fixture
def everyone(enqueue):
    return [enqueue(f"person{number}@example.com") for number in range(PEOPLE)]


def live(hands, clock, hours: int = 1) -> None:
    for _ in range(hours * 60):
        while hands.run():
            pass
        clock.advance(timedelta(minutes=1))


@pytest.mark.parametrize(
    "answers",
    [
        {"MAIL": b"452 4.3.1 daily quota exceeded"},
        {"MAIL": b"421 too busy"},
        {"RCPT": b"421 closing"},
        {"RCPT": b"554 5.7.1 Relay access denied"},
        {"RCPT": b"554 no"},
        {"RCPT": b"452 4.5.3 too many recipients today"},
        {".": b"550 5.7.1 you are on a list of bad senders"},
        {".": b"421 too busy"},
        {"RCPT": b"199 hm"},
        {"DATA": b"250 what?"},
    ],
)
def test_what_is_about_us_costs_nobody_their_mail(deliverer, everyone, clock, counts, smtp, answers, caplog):
    with RudeRelay(answers) as relay:
        live(deliverer(relay.server, timeout=1), clock, hours=3)
    assert counts() == {"queued": PEOPLE}
    assert "outbox: mail relay" in caplog.text or "rejections in a row" in caplog.text
    assert "example.com" not in caplog.text
    live(deliverer(), clock)
    assert counts() == {"sent": PEOPLE}
    assert len({mail.recipients for mail in smtp.messages}) == len(smtp.messages) == PEOPLE


def test_one_whom_the_relay_s_rules_refuse_fails_in_the_end_and_the_rest_go_on(
    deliverer, everyone, enqueue, row, clock, smtp, counts
):
    smtp.answer_recipient = lambda address: (
        "550 5.7.1 not to this one" if address.startswith("x") else "250 OK"
    )
    refused = enqueue("x@example.com")
    live(deliverer(), clock)
    assert counts() == {"sent": PEOPLE, "failed": 1}
    assert (row(refused).reason, row(refused).attempts) == ("smtp-550", 5)


def test_many_in_a_row_who_are_refused_make_the_rest_wait_and_the_first_can_be_sent_again(
    deliverer, everyone, clock, counts, settings, db, smtp
):
    with RudeRelay({"RCPT": b"550 relay not permitted"}) as relay:
        live(deliverer(relay.server, timeout=1), clock, hours=2)
    assert counts() == {"failed": 10, "queued": PEOPLE - 10}
    context = Context(settings, clock)
    context.db = db
    shown = CliRunner().invoke(outbox, ["status"], obj=context)
    assert "failed because of smtp-550: 10" in shown.output
    done = CliRunner().invoke(outbox, ["retry", "--reason", "smtp-550"], obj=context)
    assert done.output == "Queued again: 10.\n"
    live(deliverer(), clock)
    assert counts() == {"sent": PEOPLE}
    assert len(smtp.messages) == PEOPLE


@pytest.mark.parametrize(
    "answer", [b"Internal error", b"354 what?", b"199 hm", RudeRelay.DROP, RudeRelay.HANG]
)
def test_a_relay_that_never_says_clearly_that_it_took_a_mail_gets_it_a_few_times_only(
    deliverer, enqueue, row, clock, answer
):
    waiting = enqueue()
    with RudeRelay({".": answer}) as relay:
        live(deliverer(relay.server, timeout=0.3, answer=0.3), clock, hours=24)
        assert len(relay.taken) == 3
    assert (row(waiting).state, row(waiting).due_at) == ("uncertain", None)


def test_a_slow_answer_to_the_whole_message_is_waited_for(deliverer, enqueue, row, smtp):
    def slowly(_mail):
        import time

        time.sleep(1)
        return "250 OK"

    smtp.answer_data = slowly
    waiting = enqueue()
    deliverer(timeout=0.5).run()
    assert row(waiting).state == "sent"


def test_a_clock_that_was_a_day_ahead_keeps_nobody_waiting_for_a_day(
    deliverer, everyone, clock, worker_parts, counts, gone
):  # fmt: skip
    clock.advance(timedelta(days=1))
    hands = deliverer(gone)
    hands.run()
    clock.advance(timedelta(days=-1))
    hands.relay._server = worker_parts.settings.mail.server
    outbox_jobs.tidy(worker_parts)
    live(hands, clock)
    assert counts() == {"sent": PEOPLE}
