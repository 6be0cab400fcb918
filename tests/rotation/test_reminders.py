"""Reminders over years, with clocks that go wrong and workers that die."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select, text, update

from portal.outbox import service as outbox
from portal.rotation import jobs, service
from portal.rotation.models import ReminderChoice
from tests.open_store import OpenStore

DAY = timedelta(days=1)
SAM = "sam@northwind.example"


@pytest.fixture
def sam(house) -> bytes:
    return house.account(SAM)


def choose(house, account_id: bytes, interval: str) -> None:
    with house.worker.db.write() as session:
        service.choose(session, account_id, interval, house.worker.clock.now())


def queued(house) -> int:
    with house.worker.db.read() as session:
        return sum(outbox.counts(session).values())


def next_due_at(house, account_id: bytes) -> datetime | None:
    with house.worker.db.read() as session:
        return service.chosen(session, account_id).next_due_at


def live(house, clock, time: int | timedelta, *, step: timedelta = DAY) -> list[datetime]:
    """Let so many days pass with the worker running; return when reminders were queued."""
    sent = []
    end = clock.now() + (time if isinstance(time, timedelta) else timedelta(days=time))
    while clock.now() < end:
        clock.advance(step)
        sent += [clock.now()] * jobs.remind(house.worker)
    return sent


def test_in_two_years_one_reminder_comes_per_interval(house, clock):
    for interval in ("3", "6", "12", "off"):
        choose(house, house.account(f"sam{interval}@northwind.example"), interval)
    sent = live(house, clock, 732)
    assert {at.day for at in sent} == {23}
    # After 3, 6, 9, … months: one person, then two, and at the end of a year all three who want any.
    assert [sent.count(at) for at in sorted(set(sent))] == [1, 2, 1, 3, 1, 2, 1, 3]


def test_a_worker_that_looks_every_minute_reminds_once(house, clock, sam):
    choose(house, sam, "3")
    clock.advance(timedelta(days=92) - timedelta(minutes=10))
    assert len(live(house, clock, timedelta(hours=1), step=timedelta(minutes=1))) == 1


def test_none_comes_after_the_choice_is_off(house, clock, sam):
    choose(house, sam, "3")
    assert len(live(house, clock, 100)) == 1
    choose(house, sam, "off")
    assert live(house, clock, 200) == []


def test_one_that_waits_for_the_relay_is_withdrawn_when_the_choice_is_off(house, clock, smtp, sam):
    choose(house, sam, "3")
    live(house, clock, 100)
    choose(house, sam, "off")
    assert queued(house) == 0
    house.deliver()
    assert smtp.messages == []


def test_dates_that_somebody_wrote_into_the_table_bring_one_a_month_at_most(house, clock, sam):
    choose(house, sam, "3")
    for _ in range(5):
        with house.worker.db.write() as session:
            long_ago = clock.now() - timedelta(days=400)
            session.execute(update(ReminderChoice).values(next_due_at=long_ago, counted_from=long_ago))
        jobs.remind(house.worker)
    assert queued(house) == 1


def test_an_outage_of_a_year_ends_with_one_reminder_and_the_next_one_interval_later(house, clock, sam):
    choose(house, sam, "3")
    clock.advance(timedelta(days=365))
    back = clock.now()
    sent = live(house, clock, 100)
    assert len(sent) == 2
    assert sent[0] == back + DAY
    assert sent[1] >= sent[0] + timedelta(days=89)


def test_a_clock_that_jumps_a_day_and_back_sends_no_more_than_one(house, clock, sam):
    choose(house, sam, "3")
    clock.at = datetime(2027, 2, 22, 12, 0, tzinfo=UTC)  # the reminder is due tomorrow
    clock.advance(DAY)
    assert jobs.remind(house.worker) == 1
    clock.advance(-DAY)
    assert jobs.remind(house.worker) == 0
    assert live(house, clock, 60) == []
    assert queued(house) == 1


def test_a_clock_that_was_years_ahead_silences_nobody(house, clock, sam):
    choose(house, sam, "3")
    clock.advance(timedelta(days=1500))
    assert jobs.remind(house.worker) == 1
    clock.advance(-timedelta(days=1490))
    sent = live(house, clock, 200)
    assert len(sent) == 2
    assert sent[1] - sent[0] >= timedelta(days=88)


def test_a_clock_that_was_years_behind_starts_no_storm(house, clock):
    people = [house.account(f"person{number}@northwind.example") for number in range(5)]
    for account_id in people:
        choose(house, account_id, "6")
    clock.advance(-timedelta(days=3000))
    assert jobs.remind(house.worker) == 0
    clock.advance(timedelta(days=3010))
    assert live(house, clock, 60) == []
    assert len(live(house, clock, 130)) == len(people)


@pytest.mark.parametrize(
    ("changed_at", "reminders", "due_at"),
    [
        # Three months later, less ten days: the very day when the reminder is due.
        (datetime(2026, 12, 5, 23, 59, tzinfo=UTC), 1, datetime(2027, 5, 23, tzinfo=UTC)),
        (datetime(2026, 12, 6, 9, 0, tzinfo=UTC), 0, datetime(2027, 3, 6, tzinfo=UTC)),
    ],
)
def test_a_reminder_comes_up_to_ten_days_before_the_password_is_as_old_as_was_chosen(
    house, clock, sam, changed_at, reminders, due_at
):
    choose(house, sam, "3")
    with house.worker.db.write() as session:
        store = OpenStore()
        assert store.set_password(
            session, house.worker.vault, sam, expected_version=1, password_hash="x", now=changed_at
        )
    clock.at = datetime(2027, 2, 23, 9, 0, tzinfo=UTC)
    assert jobs.remind(house.worker) == reminders
    assert next_due_at(house, sam) == due_at


@pytest.mark.parametrize(("late", "next_day"), [(timedelta(), 23), (timedelta(seconds=1), 2)])
def test_a_reminder_up_to_seven_days_late_leaves_the_dates_where_they_were(house, clock, sam, late, next_day):
    choose(house, sam, "3")
    clock.at = datetime(2027, 3, 2, tzinfo=UTC) + late
    assert jobs.remind(house.worker) == 1
    due_at = next_due_at(house, sam)
    assert due_at is not None
    assert due_at.day == next_day


@pytest.mark.parametrize(("more", "left_alone"), [(timedelta(), True), (timedelta(seconds=1), False)])
def test_a_date_more_than_ten_days_beyond_what_was_chosen_is_brought_back(
    house, clock, sam, more, left_alone
):
    choose(house, sam, "3")
    chosen, written = next_due_at(house, sam), datetime(2027, 3, 5, 9, 0, tzinfo=UTC) + more
    with house.worker.db.write() as session:
        session.execute(update(ReminderChoice).values(next_due_at=written))
    jobs.remind(house.worker)
    assert next_due_at(house, sam) == (written if left_alone else chosen)


def test_a_hundred_reminders_leave_at_a_time(house, clock):
    for number in range(101):
        choose(house, house.account(f"person{number}@northwind.example"), "12")
    clock.advance(timedelta(days=400))
    assert [jobs.remind(house.worker) for _ in range(3)] == [100, 1, 0]


def test_what_piled_up_leaves_a_bounded_number_at_a_time(house, clock):
    for number in range(7):
        choose(house, house.account(f"person{number}@northwind.example"), "12")
    clock.advance(timedelta(days=400))
    assert [jobs.remind(house.worker, 3) for _ in range(4)] == [3, 3, 1, 0]


def test_a_password_that_was_changed_meanwhile_starts_the_interval_anew(house, clock, sam):
    choose(house, sam, "3")
    clock.advance(timedelta(days=80))
    with house.worker.db.write() as session:
        store = OpenStore()
        assert store.set_password(
            session, house.worker.vault, sam, expected_version=1, password_hash="x", now=clock.now()
        )
    changed = clock.now()
    sent = live(house, clock, 120)
    assert len(sent) == 1
    assert sent[0] >= service.add_months(changed, 3)


def test_whoever_must_choose_a_new_password_is_told_that_and_not_reminded(house, clock, sam):
    choose(house, sam, "3")
    with house.worker.db.write() as session:
        assert OpenStore().require_reset(session, [sam], "exposed", clock.now()) == [sam]
    assert live(house, clock, 92) == []
    assert next_due_at(house, sam) == clock.now() + timedelta(days=7)
    assert live(house, clock, 108) == []


def test_an_account_that_is_gone_takes_its_choice_along(house, clock, sam):
    choose(house, sam, "3")
    with house.worker.db.write() as session:
        for table in ("identity_accounts", "account_state"):
            session.execute(text(f"DELETE FROM {table}"))
    assert live(house, clock, 100) == []
    with house.worker.db.read() as session:
        assert session.scalars(select(ReminderChoice)).all() == []


def test_a_profile_that_was_swapped_stops_nobody_elses_reminder(house, clock, sam):
    robin = house.account("robin@northwind.example")
    choose(house, sam, "3")
    choose(house, robin, "3")
    with house.worker.db.write() as session:
        session.execute(
            text(
                "UPDATE identity_accounts SET profile ="
                " (SELECT profile FROM identity_accounts WHERE id = :other) WHERE id = :id"
            ),
            {"other": robin, "id": sam},
        )
    assert len(live(house, clock, 95)) == 1


class Killed(BaseException):
    """What no code of ours catches, as little as `kill -9`."""


def test_a_worker_killed_before_the_date_is_noted_mails_nobody_twice(house, clock, sam):
    choose(house, sam, "3")
    clock.advance(timedelta(days=95))

    def die(_connection, _cursor, statement, *_rest):
        if statement.startswith("UPDATE rotation_choices SET counted_from"):
            raise Killed

    event.listen(house.worker.db.engine, "before_cursor_execute", die)
    with pytest.raises(Killed):
        jobs.remind(house.worker)
    event.remove(house.worker.db.engine, "before_cursor_execute", die)
    assert queued(house) == 0  # the mail went with the transaction
    assert jobs.remind(house.worker) == 1
    assert jobs.remind(house.worker) == 0
    assert queued(house) == 1


def test_the_mail_asks_useful_questions_and_has_no_link_that_signs_in(house, clock, smtp, sam):
    choose(house, sam, "6")
    clock.advance(timedelta(days=190))
    jobs.remind(house.worker)
    house.deliver()
    (mail,) = smtp.messages
    assert mail.recipients == (SAM,)
    for part in (mail.text, mail.html):
        assert "6 months" in part
        assert "anywhere else" in part
        assert "passkey" in part
    links = set(re.findall(r'https?://[^\s"<>]+', mail.text + mail.html))
    assert {re.sub(r"[a-z2-7]{32}", "TOKEN", link) for link in links} == {
        "http://localhost:8000/",
        "http://localhost:8000/reminders/off/TOKEN/",
    }


def test_the_mail_speaks_the_persons_language(house, clock, smtp):
    choose(house, house.account("ana@northwind.example", locale="es"), "3")
    clock.advance(timedelta(days=95))
    jobs.remind(house.worker)
    house.deliver()
    assert smtp.messages[0].message["Content-Language"] == "es"


def test_the_mail_is_switched_off_with_one_press_and_no_cookies(house, clock, smtp, sam):
    choose(house, sam, "3")
    clock.advance(timedelta(days=95))
    jobs.remind(house.worker)
    house.deliver()
    message = smtp.messages[0].message
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = message["List-Unsubscribe"].strip("<>").removeprefix("http://localhost:8000")
    visitor = house.visitor()
    for look in (visitor.get, visitor.head):
        assert look(path).status_code == 200
    with house.worker.db.read() as session:
        assert service.chosen(session, sam).interval == "3"  # a scanner that opens links switches nothing off
    answer = house.visitor().post(path, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    with house.worker.db.read() as session:
        assert service.chosen(session, sam).interval == "off"
    assert live(house, clock, 400) == []


def test_an_old_mails_link_still_switches_off_what_was_chosen_again(house, clock, smtp, sam):
    choose(house, sam, "3")
    clock.advance(timedelta(days=95))
    jobs.remind(house.worker)
    house.deliver()
    path = smtp.messages[0].message["List-Unsubscribe"].strip("<>").removeprefix("http://localhost:8000")
    choose(house, sam, "off")
    choose(house, sam, "12")
    assert house.visitor().post(path).status_code == 200
    with house.worker.db.read() as session:
        assert service.chosen(session, sam).interval == "off"


def test_a_wrong_link_switches_nothing_off_and_offers_no_button(house, sam):
    choose(house, sam, "3")
    visitor = house.visitor()
    unknown = visitor.get(f"/reminders/off/{'a' * 32}/")
    assert unknown.status_code == 410
    assert "If you turned the reminders off, they’re off" in unknown.text
    assert visitor.post(f"/reminders/off/{'a' * 32}/").status_code == 200
    with house.worker.db.read() as session:
        assert service.chosen(session, sam).interval == "3"
