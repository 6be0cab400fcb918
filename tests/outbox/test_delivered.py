"""Sent mails move to a narrow table: nobody is mailed twice, and each is still vouched for and counted."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from time import sleep

import pytest
from sqlalchemy import event, func, select, text, update

from portal.campaigns.emails import Notice
from portal.core.settings import Retention
from portal.outbox import jobs, service
from portal.outbox.models import OutboxDelivered, OutboxMail
from portal.runtime import backup
from portal.subscriptions.emails import StatusUpdate
from portal.worker import drain

BATCH, KEY = b"b" * 16, b"k" * 16
TEN_MINUTES, MONTH = timedelta(minutes=10), timedelta(days=30)
MOMENT = timedelta(seconds=1)


@pytest.fixture
def deliver_and_move(worker_parts, clock):
    """Deliver what is due, and move it."""

    def move():
        drain(worker_parts)
        clock.advance(TEN_MINUTES)
        jobs.move_sent(worker_parts)

    return move


@pytest.fixture
def delivered(db):
    def read():
        with db.read() as session:
            return list(session.scalars(select(OutboxDelivered)))

    return read


@pytest.fixture
def here(db):
    """Count the rows that were not moved."""

    def count():
        with db.read() as session:
            return session.scalar(select(func.count()).select_from(OutboxMail))

    return count


def test_a_sent_mail_leaves_its_address_and_content_behind(enqueue, deliver_and_move, delivered, here):
    enqueue(mail=Notice(), unique=KEY, batch=BATCH)
    deliver_and_move()
    assert here() == 0
    (kept,) = delivered()
    assert (kept.unique_key, kept.batch, kept.state) == (KEY, BATCH, "sent")
    assert kept.day == date(2026, 11, 23)
    assert len(kept.proof) == 288


def test_for_ten_minutes_it_shows_that_the_relay_works(enqueue, worker_parts, clock, row):
    row_id = enqueue()
    drain(worker_parts)
    clock.advance(TEN_MINUTES - MOMENT)
    jobs.move_sent(worker_parts)
    assert row(row_id).state == "sent"
    clock.advance(MOMENT)
    jobs.move_sent(worker_parts)
    assert row(row_id) is None


def test_nobody_is_mailed_twice_before_or_after(enqueue, deliver_and_move, smtp, worker_parts, here):
    assert enqueue(mail=Notice(), unique=KEY)
    assert enqueue(mail=Notice(), unique=KEY) is None
    deliver_and_move()
    assert enqueue(mail=Notice(), unique=KEY) is None
    assert enqueue(mail=Notice(), unique=b"o" * 16)
    drain(worker_parts)
    assert len(smtp.messages) == 2
    assert here() == 1


def test_a_mail_that_is_moved_in_the_moment_of_another_is_not_sent_again(
    enqueue, worker_parts, clock, db, delivered, here
):
    """PostgreSQL lets the second wait for the first row to go, after it has looked into the other table."""
    if db.is_sqlite:
        pytest.skip("SQLite lets one write at a time")
    enqueue(mail=Notice(), unique=KEY)
    drain(worker_parts)
    clock.advance(TEN_MINUTES)
    with ThreadPoolExecutor(1) as pool:
        with db.write() as session:
            assert jobs.move_some(session, clock.now()) == 1
            second = pool.submit(enqueue, mail=Notice(), unique=KEY)
            while not _waits_for_a_lock(db):
                assert not second.done()
                sleep(0.01)
        assert second.result() is None
    assert (here(), len(delivered())) == (0, 1)


def _waits_for_a_lock(db):
    with db.read() as session:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return session.scalar(text(f"{waiting} AND datname = current_database()"))


def test_a_worker_that_dies_while_moving_has_moved_nothing(
    enqueue, worker_parts, clock, db, counts, delivered, here
):
    for number in range(3):
        enqueue(f"p{number}@example.com", mail=Notice(), batch=BATCH)
    drain(worker_parts)
    clock.advance(TEN_MINUTES)

    def die():
        with db.write() as session:
            assert jobs.move_some(session, clock.now()) == 3
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die()
    assert (here(), len(delivered())) == (3, 0)
    assert counts() == {"sent": 3}
    jobs.move_sent(worker_parts)
    assert (here(), len(delivered())) == (0, 3)
    assert counts() == {"sent": 3}


def test_two_workers_move_each_mail_once(enqueue, worker_parts, clock, db, counts, delivered, here):
    for number in range(120):
        enqueue(f"p{number}@example.com", mail=Notice(), batch=BATCH)
    drain(worker_parts)
    clock.advance(TEN_MINUTES)
    with ThreadPoolExecutor(2) as pool:
        for moving in [pool.submit(jobs.move_sent, worker_parts) for _ in range(2)]:
            moving.result()
    assert (here(), len(delivered())) == (0, 120)
    assert counts() == {"sent": 120}


def test_the_code_still_shows_what_was_sent(enqueue, deliver_and_move, client, worker_vault, smtp):
    code = worker_vault.authenticity(enqueue())
    deliver_and_move()
    page = client.submit("/is-it-real/", code=code)
    assert page.status_code == 200
    assert "s…@e….com" in page.text
    assert str(smtp.messages[0].message["Subject"]) in page.text


def test_a_mail_that_is_moved_while_somebody_asks_is_no_fake(
    enqueue, worker_parts, clock, db, worker_vault, here
):
    code = worker_vault.authenticity(enqueue())
    drain(worker_parts)
    clock.advance(TEN_MINUTES)

    asked = []

    def move(_connection, _cursor, statement, *_rest):
        asked.append(statement)
        if len(asked) == 1:
            jobs.move_sent(worker_parts)

    with db.read() as session:
        event.listen(db.engine, "after_cursor_execute", move)
        assert service.look_up(session, code).recipient == "s…@e….com"
    event.remove(db.engine, "after_cursor_execute", move)
    assert here() == 0


def test_the_counts_stay_the_same(enqueue, deliver_and_move, smtp, counts, db, here):
    smtp.answer_recipient = lambda address: "550 no" if address.startswith("gone") else "250"
    for number in range(60):
        enqueue(f"p{number}@example.com", mail=Notice(), batch=BATCH)
    enqueue("gone@example.com", mail=Notice(), batch=BATCH)
    enqueue("sam@example.com")
    deliver_and_move()
    assert here() == 1
    assert counts() == {"sent": 61, "failed": 1}
    enqueue("late@example.com", mail=Notice(), batch=BATCH)
    deliver_and_move()
    with db.read() as session:
        of_batch = service.counts(session, BATCH)
    assert (of_batch["sent"], of_batch["failed"], of_batch["queued"]) == (61, 1, 0)


def test_nothing_leads_from_an_update_to_its_reader(enqueue, deliver_and_move, delivered):
    enqueue(mail=StatusUpdate.sample(), batch=BATCH, unique=KEY)
    deliver_and_move()
    assert [kept.batch for kept in delivered()] == [None]


def test_their_order_says_not_who_was_mailed_after_whom(enqueue, deliver_and_move, db):
    for number in range(12):
        enqueue(f"p{number}@example.com")
        if number % 3 == 0:
            deliver_and_move()
    deliver_and_move()
    backup.vacuum(db)  # which sorts PostgreSQL's files; SQLite keeps the order of the key
    place = "" if db.is_sqlite else " ORDER BY ctid"
    with db.read() as session:
        stored = session.scalars(text(f"SELECT proof_hash FROM outbox_delivered{place}")).all()
    assert len(stored) == 12
    assert stored == sorted(stored)


def test_a_forged_row_stops_no_other(enqueue, worker_parts, deliver_and_move, client, worker_vault, db, here):
    ids = [enqueue(f"p{number}@example.com") for number in range(4)]
    drain(worker_parts)
    with db.write() as session:
        same = session.scalar(select(OutboxMail.proof_hash).where(OutboxMail.id == ids[0]))
        for row_id, forged in (
            (ids[1], {"proof_hash": same}),
            (ids[2], {"proof": None}),
            (ids[3], {"proof_hash": None}),
        ):
            session.execute(update(OutboxMail).where(OutboxMail.id == row_id).values(**forged))
    deliver_and_move()
    assert here() == 1
    page = client.submit("/is-it-real/", code=worker_vault.authenticity(ids[2]))
    assert "We don’t know this code" in page.text


UNREADABLE = [
    "id = 'x'",
    "proof_hash = 'x'",
    "proof_hash = 1000000000000",
    "proof = 5",
    "batch = 'x'",
    "unique_key = 7",
    "finished_at = 5",
    "finished_at = '2000-x'",
]


@pytest.mark.parametrize("forged", UNREADABLE)
def test_a_row_that_cannot_be_read_stays_and_stops_no_other(
    enqueue, worker_parts, clock, db, counts, here, caplog, forged
):
    """SQLite stores what it is given; PostgreSQL refuses it."""
    if not db.is_sqlite:
        pytest.skip("PostgreSQL's columns are typed")
    for number in range(30):
        enqueue(f"p{number}@example.com", mail=Notice(), unique=bytes([number]) * 16, batch=BATCH)
    drain(worker_parts)
    with db.write() as session:
        # More than the first turn takes, except where a value may occur once.
        session.execute(text(f"UPDATE OR IGNORE outbox_mails SET {forged} WHERE rowid <= 12"))
    spoilt = 1 if forged in ("id = 'x'", "unique_key = 7") else 12
    clock.advance(TEN_MINUTES)
    jobs.move_sent(worker_parts)
    assert here() == spoilt
    assert counts() == {"sent": 30}
    said = [
        each.getMessage() for each in caplog.records if "were altered in the database" in each.getMessage()
    ]
    assert sum(int(each.split()[4]) for each in said) == spoilt
    assert "find out who can write to the database" in said[0]
    caplog.clear()
    jobs.move_sent(worker_parts)
    clock.advance(MONTH + TEN_MINUTES)
    jobs.tidy(worker_parts)
    assert "altered" not in caplog.text
    with db.read() as session:
        assert session.scalar(text("SELECT max(length(payload)) FROM outbox_mails")) == 0


@pytest.mark.parametrize("forged", ["id = 'x'", "proof_hash = 'x'", "finished_at = 5"])
def test_old_requested_mails_go_whatever_one_of_them_holds(
    enqueue, worker_parts, smtp, clock, db, here, forged
):
    if not db.is_sqlite:
        pytest.skip("PostgreSQL's columns are typed")
    smtp.answer_recipient = lambda _address: "550 no"
    for number in range(3):
        enqueue(f"p{number}@example.com")
    drain(worker_parts)
    with db.write() as session:
        session.execute(text(f"UPDATE outbox_mails SET {forged} WHERE rowid = 2"))
    clock.advance(MONTH + MOMENT)
    jobs.tidy(worker_parts)
    assert here() == 1
    with db.read() as session:
        assert session.scalar(text("SELECT length(payload) FROM outbox_mails")) == 0


@pytest.mark.parametrize("batch", [None, BATCH])
def test_two_rows_of_one_code_stop_no_other(
    enqueue, worker_parts, deliver_and_move, db, here, delivered, batch
):
    for number in range(4):
        enqueue(f"p{number}@example.com", mail=Notice(), unique=bytes([number]) * 16, batch=BATCH)
    drain(worker_parts)
    with db.write() as session:
        first, second = session.execute(select(OutboxMail.id, OutboxMail.proof_hash).limit(2)).all()
        twin = {"proof_hash": second.proof_hash, "batch": batch}
        session.execute(update(OutboxMail).where(OutboxMail.id == first.id).values(twin))
    deliver_and_move()
    assert here() == 0
    assert len(delivered()) == 3


def test_an_invented_state_hides_no_other(enqueue, worker_parts, db, counts):
    enqueue()
    forged = enqueue("forged@example.com")
    with db.write() as session:
        session.execute(update(OutboxMail).where(OutboxMail.id == forged).values(state="invented"))
    assert counts() == {"queued": 1, "invented": 1}


def test_a_requested_mail_that_failed_goes_after_thirty_days_and_others_stay(
    enqueue, worker_parts, smtp, clock, counts, row, delivered
):
    smtp.answer_recipient = lambda _address: "550 no"
    requested, notice = enqueue(), enqueue(mail=Notice(), batch=BATCH)
    drain(worker_parts)
    clock.advance(MONTH)
    jobs.tidy(worker_parts)
    assert counts() == {"failed": 2}
    assert len(row(requested).payload) == len(row(notice).payload) > 1000
    clock.advance(MOMENT)
    jobs.tidy(worker_parts)
    assert counts() == {"failed": 1}
    assert row(requested) is None
    assert row(notice).payload == b""
    assert delivered() == []


def test_records_of_sent_mails_go_after_the_time_that_is_set_but_for_those_of_a_notice(
    enqueue, deliver_and_move, worker_parts, clock, delivered, here
):
    enqueue()
    enqueue("b@example.com", mail=Notice(), unique=b"u" * 16, batch=BATCH)
    deliver_and_move()
    clock.advance(timedelta(days=400))
    jobs.tidy(worker_parts)
    assert len(delivered()) == 2
    kept = replace(worker_parts.settings, retention=Retention(sent_mails=timedelta(days=399)))
    jobs.tidy(replace(worker_parts, settings=kept))
    assert (here(), [row.batch for row in delivered()]) == (0, [BATCH])


def test_the_proof_of_a_requested_mail_that_may_have_arrived_stays(
    enqueue, worker_parts, clock, counts, client, worker_vault, db, here
):
    row_id = enqueue()
    drain(worker_parts)
    with db.write() as session:
        session.execute(update(OutboxMail).values(state="uncertain", maybe_sent_count=3))
    clock.advance(MONTH + MOMENT)
    jobs.tidy(worker_parts)
    assert here() == 0
    assert counts() == {"uncertain": 1}
    assert client.submit("/is-it-real/", code=worker_vault.authenticity(row_id)).status_code == 200
