"""Several connections of one worker: they share the work, and a slow one holds up its own mail alone."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError

from portal.outbox.claims import Mark, Marks
from portal.outbox.deliver import Deliverer
from portal.outbox.models import OutboxMail
from portal.outbox.smtp import Relay
from tests.peers.relays import RudeRelay

PEOPLE = 24


@pytest.fixture
def everyone(enqueue):
    return [enqueue(f"person{number}@example.com") for number in range(PEOPLE)]


@pytest.fixture
def team(deliverer, worker_parts):
    """Run so many connections of one worker, each in its thread, until nothing is due; return them."""

    def work(server, connections):
        first = deliverer(server)
        sender = worker_parts.settings.mail.sender
        more = [
            Deliverer(first.delivery, Relay(server, sender, timeout=5, answer=5))
            for _ in range(connections - 1)
        ]
        threads = [threading.Thread(target=drain, args=(each,)) for each in [first, *more]]
        for thread in threads:
            thread.start()
        return threads

    def drain(each):
        while each.run():
            pass

    return work


def test_they_share_what_is_due_and_each_mail_leaves_once(team, everyone, counts):
    together = threading.Barrier(4, timeout=10)
    with RudeRelay({}) as relay:

        def answer():
            """Answer the first mail of each connection once all four have theirs."""
            if len(relay.taken) <= 4:
                together.wait()
            return b"250 taken"

        relay.answers["."] = answer
        for thread in team(relay.server, 4):
            thread.join(20)
        assert relay.connections == 4
        recipients = sorted(message["To"] for message in relay.taken)
    assert recipients == sorted(f"person{number}@example.com" for number in range(PEOPLE))
    assert counts() == {"sent": PEOPLE}


def test_one_that_hangs_holds_up_its_own_mail_alone(team, everyone, counts):
    hangs, first = threading.Event(), threading.Lock()

    def answer():
        if first.acquire(blocking=False):
            hangs.wait(20)
        return b"250 taken"

    with RudeRelay({".": answer}) as relay:
        threads = team(relay.server, 2)
        while all(thread.is_alive() for thread in threads):
            threads[0].join(0.01)
        assert counts() == {"sent": PEOPLE - 1, "sending": 1}
        hangs.set()
        for thread in threads:
            thread.join(20)
    assert counts() == {"sent": PEOPLE}


def test_a_relay_that_is_away_makes_one_pause_however_many_find_it(team, everyone, gone, caplog):
    for thread in team(gone, 4):
        thread.join(20)
    assert caplog.text.count("mail relay unavailable") == 1
    assert "pausing 20 s; pause 1 in a row" in caplog.text


def test_a_change_that_the_database_refuses_spoils_no_other_connection_s(db, enqueue, row):
    """Both come in one transaction, which fails; then each is tried alone."""
    marks, waiting, errors = Marks(db, timedelta(minutes=5)), enqueue(), []
    marks.working = 2
    bad = Mark(change=lambda connection: connection.execute(insert(OutboxMail).values(id=b"x" * 16)))
    good = Mark(change=lambda connection: connection.execute(text("UPDATE outbox_mails SET attempts = 7")))

    def store(mark):
        try:
            marks.store(mark, row(waiting).created_at)
        except IntegrityError as error:
            errors.append(error)

    threads = [threading.Thread(target=store, args=(mark,)) for mark in (bad, good)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(errors) == 1
    assert row(waiting).attempts == 7
