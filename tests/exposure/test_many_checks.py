"""Who asks often, for themselves or for others; and a list of which rows are gone."""

from datetime import timedelta

from sqlalchemy import delete, update

from portal.exposure import jobs
from portal.exposure.models import ExposedPerson, ExposureList
from portal.intake import jobs as intake
from portal.worker import drain
from tests.exposure.conftest import words
from tests.traces import change, lengths

ANN = "ann@northwind.example,7,Ann,en,ES,Passwords;Dates of birth;Email addresses\n"


def ask_three_times_a_day(client, worker_parts, address, days):
    for _ in range(days):
        for _ in range(3):
            client.submit("/check/", email=address)
            drain(worker_parts)
        worker_parts.clock.advance(timedelta(days=1))


def test_who_asked_often_before_there_was_a_list_gets_one_answer_that_opens_and_may_ask_today(
    lists, check, client, read, worker_parts, smtp
):
    ask_three_times_a_day(client, worker_parts, "ann@northwind.example", days=4)
    before = len(smtp.messages)
    lists.live(ANN)
    jobs.release(worker_parts)
    drain(worker_parts)
    (mail,) = smtp.messages[before:]
    assert "You are affected<" in read(mail)
    for _ in range(3):
        assert "You are affected<" in read(check("ann@northwind.example"))


def test_a_stranger_who_asks_day_after_day_does_not_end_the_owners_answer(
    lists, check, client, read, worker_parts, smtp, clock
):
    lists.live(ANN)
    mail = check("ann@northwind.example")
    clock.advance(timedelta(days=1))
    ask_three_times_a_day(client, worker_parts, "ann@northwind.example", days=28)
    assert len(smtp.messages) == 1 + 3 * 28
    assert "You are affected<" in read(mail)


def test_released_checks_leave_the_same_rows_whoever_is_listed(lists, client, db, worker_parts):
    asked = ("ann@northwind.example", "eve@northwind.example")
    for address in asked:
        for _ in range(2):
            client.submit("/check/", email=address)
        drain(worker_parts)
    lists.live(ANN)
    jobs.release(worker_parts)
    left = []
    for _ in range(4):
        before = lengths(db)
        assert intake.answer(worker_parts, 1) == 1
        left.append(change(before, lengths(db)))
    told, silent = sorted(left, key=len, reverse=True)[::2]
    assert (left.count(told), left.count(silent)) == (2, 2)
    assert set(told) == {"intake_requests", "intake_replies", "outbox_mails"}
    assert set(silent) == {"intake_requests"}


def test_rows_that_were_removed_are_told_in_the_log_once_a_day(lists, worker_parts, caplog):
    lists.live(ANN + ANN.replace("ann@", "bob@"))
    jobs.inspect(worker_parts)
    assert caplog.text == ""
    with lists.db.write() as session:
        session.execute(delete(ExposedPerson))
    worker_parts.clock.advance(timedelta(days=1))
    jobs.inspect(worker_parts)
    assert "has 0 rows, 2 were imported" in caplog.text


def test_a_list_whose_count_was_altered_answers_nobody(lists, check, read, caplog):
    lists.live(ANN)
    with lists.db.write() as session:
        session.execute(update(ExposureList).values(people=0))
    assert "We couldn’t check this" in words(read(check("ann@northwind.example")))
    assert "was altered or inserted" in caplog.text
