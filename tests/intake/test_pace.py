"""Requests of everybody together are slowed and never refused, and each is told how long it takes."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from limits import parse
from sqlalchemy import delete, insert, select, text, update

from portal.core.db import new_id
from portal.intake import jobs, pace, service
from portal.intake.models import IntakePace, IntakeRequest
from portal.outbox import pace as outbox_pace
from portal.outbox import service as outbox
from portal.outbox.models import MailRelay
from portal.reset.emails import ResetLink
from portal.worker import Worker
from tests.configured import configured
from tests.traces import plans

SECOND = timedelta(seconds=1)


@pytest.fixture
def submit(db, web_vault, clock):
    def put(count=1, lane=0):
        with db.write() as session:
            for _ in range(count):
                service.submit(session, web_vault, "test", {"version": str(lane)}, clock.now(), lane=lane)

    return put


@pytest.fixture
def answered(worker_parts):
    """The lanes of the requests that were answered, in order."""
    seen: list[int] = []

    def handler(session, request, now, parts):
        seen.append(int(request.fields["version"]))

    worker_parts.handlers["test"] = handler
    return seen


@pytest.fixture
def wait(db, clock):
    def read():
        with db.read() as session:
            return pace.present_wait(session, clock.now()).total_seconds()

    return read


class TestRate:
    @pytest.mark.parametrize("rate", ["4 per second", "240 per minute"])
    def test_two_workers_together_keep_the_rate_that_is_set(
        self, submit, answered, worker_parts, clock, rate
    ):
        submit(60)
        with worker_parts.db.write() as session:
            session.execute(update(IntakePace).values(next_at=clock.now()))
        seconds = []
        for _ in range(10):
            before = len(answered)
            for _ in range(4):  # each worker looks four times a second
                jobs.answer(worker_parts, rate=parse(rate))
                jobs.answer(worker_parts, rate=parse(rate))
                clock.advance(SECOND / 4)
            seconds.append(len(answered) - before)
        assert seconds == [4] * 10

    def test_the_time_that_answering_takes_is_part_of_the_pause(self, submit, answered, worker_parts, clock):
        submit(60)
        slow = worker_parts.handlers["test"]

        def handler(*arguments):
            clock.advance(SECOND / 20)  # at 20 a second, there is no time left to wait
            return slow(*arguments)

        worker_parts.handlers["test"] = handler
        begun = clock.now()
        while len(answered) < 60:
            if not jobs.answer(worker_parts, rate=parse("20 per second")):
                clock.advance(SECOND / 4)
        assert clock.now() - begun <= 3.3 * SECOND

    def test_after_a_pause_no_more_leave_at_once_than_in_a_second(
        self, submit, answered, worker_parts, clock
    ):
        submit(50)
        clock.advance(timedelta(hours=5))
        while jobs.answer(worker_parts, rate=parse("7 per second")):
            pass
        assert len(answered) in {7, 8}

    def test_a_clock_that_was_wrong_stops_nobody(self, submit, answered, worker_parts, clock):
        submit(50)
        clock.advance(timedelta(days=2))
        jobs.answer(worker_parts, rate=parse("4 per second"))
        clock.advance(timedelta(days=-1))
        before = len(answered)
        with worker_parts.db.write() as session:
            session.execute(update(IntakeRequest).values(due_at=clock.now()))
        for _ in range(8):
            jobs.answer(worker_parts, rate=parse("4 per second"))
            clock.advance(SECOND / 4)
        assert len(answered) - before in {8, 9}

    @pytest.mark.parametrize(("limits", "first"), [({}, 20), ({"intake_global": "3 per second"}, 1)])
    def test_the_worker_keeps_the_setting_and_without_one_takes_what_it_can(
        self, submit, answered, worker_parts, clock, limits, first
    ):
        submit(40)
        with worker_parts.db.write() as session:
            session.execute(update(IntakePace).values(next_at=clock.now()))
        settings = configured(worker_parts.settings, limits=limits)
        assert Worker(replace(worker_parts, settings=settings), ())._answer() == first


class TestLanes:
    def test_a_flood_from_one_network_waits_behind_itself(self, submit, answered, worker_parts, clock):
        submit(300, lane=7)
        clock.advance(SECOND)
        submit(1, lane=3)
        submit(2, lane=200)
        jobs.answer(worker_parts)
        assert len(answered) == 20
        assert sorted(set(answered)) == [3, 7, 200]
        assert answered.count(200) == 2

    def test_of_many_lanes_each_gets_its_turn(self, submit, answered, worker_parts):
        for lane in range(100):
            submit(2, lane=lane)
        for _ in range(10):
            assert jobs.answer(worker_parts) == 20
        assert sorted(answered) == sorted([*range(100)] * 2)

    def test_nobody_is_passed_over_for_ever(self, submit, answered, worker_parts):
        submit(1, lane=255)
        for _ in range(60):
            for lane in range(40):
                submit(1, lane=lane)
            jobs.answer(worker_parts)
            if 255 in answered:
                break
        assert 255 in answered

    def test_within_a_lane_who_came_first_is_answered_first(self, db, submit, answered, worker_parts, clock):
        for _ in range(30):
            submit(1, lane=5)
            clock.advance(SECOND)
        with db.read() as session:
            oldest = set(session.scalars(select(IntakeRequest.id).order_by(IntakeRequest.asked_at).limit(20)))
        jobs.answer(worker_parts)
        with db.read() as session:
            assert not oldest & set(session.scalars(select(IntakeRequest.id)))

    def test_lanes_without_a_due_request_take_no_place(self, submit, answered, worker_parts, clock, db):
        for lane in range(250):
            submit(1, lane=lane)
        with db.write() as session:
            session.execute(update(IntakeRequest).values(due_at=clock.now() + SECOND))
        submit(5, lane=251)
        assert jobs.answer(worker_parts) == 5
        assert answered == [251] * 5

    def test_a_row_holds_one_keyed_byte_of_the_network_and_no_more(self, app, db):
        def lanes(*addresses):
            for address in addresses:
                visitor = app.test_client()
                visitor.environ_base["REMOTE_ADDR"] = address
                assert visitor.submit("/check/", email="sam@example.com").status_code == 303
            with db.write() as session:
                return list(session.scalars(delete(IntakeRequest).returning(IntakeRequest.lane)))

        assert len(set(lanes("192.0.2.1", "192.0.2.1", "192.0.2.1"))) == 1
        many = lanes(*(f"198.51.100.{number}" for number in range(10)))
        assert len(set(many)) > 3  # two networks may share a lane; ten hardly share three
        assert all(0 <= lane < 256 for lane in many)

    @pytest.mark.parametrize("state", ["waiting", "held"])
    def test_a_claim_reads_an_index_however_many_wait(self, db, clock, worker_parts, state):
        row = {"purpose": "test", "state": state, "asked_at": clock.now(), "sealed": b"x"}
        rows = [row | {"id": new_id(), "lane": n % 256, "due_at": clock.now() + SECOND} for n in range(4000)]
        with db.write() as session:
            session.execute(insert(IntakeRequest), rows)
            session.execute(text("ANALYZE"))

        def look():
            with db.read() as session:
                jobs._due(session, state, clock.now(), 20)

        (plan,) = plans(db, look)
        assert not re.search(r"SCAN (?!lanes)|Seq Scan on intake|Join|Hash|Sort|ix_intake_requests_due", plan)


class TestWait:
    def test_without_a_queue_it_is_nothing(self, submit, answered, worker_parts, wait):
        assert wait() == 0
        submit(3)
        jobs.answer(worker_parts)
        pace.measure(worker_parts)
        assert wait() == 0

    def test_it_is_what_waits_at_the_rate_at_which_it_is_answered(
        self, submit, answered, worker_parts, clock, wait
    ):
        submit(150, lane=1)
        submit(150, lane=2)
        for _ in range(5):
            jobs.answer(worker_parts)
            clock.advance(2 * SECOND)
        pace.measure(worker_parts)
        assert wait() == 20  # 200 at 10 a second
        while jobs.answer(worker_parts):
            pass
        pace.measure(worker_parts)
        assert wait() == 0

    def test_a_worker_that_answers_nothing_does_not_hide_the_wait(self, submit, worker_parts, clock, wait):
        submit(1)
        clock.advance(timedelta(minutes=7))
        pace.measure(worker_parts)
        assert wait() == 420

    def test_where_no_worker_runs_it_is_as_long_as_the_first_has_waited(self, submit, clock, wait):
        submit(1)
        clock.advance(timedelta(minutes=11))
        submit(1)
        assert wait() == 660

    @pytest.mark.parametrize("form", ["/check/", "/reset/"])
    def test_the_page_says_it_in_minutes_and_the_same_for_everyone(self, app, db, clock, form):
        def page(address, network):
            visitor = app.test_client()
            visitor.environ_base["REMOTE_ADDR"] = network
            answer = visitor.submit(form, email=address)
            return " ".join(visitor.get(answer.location).text.split())

        people = (("sam@example.com", "192.0.2.1"), ("eve@example.com", "198.51.100.9"))
        assert "It usually takes less than a minute." in page(*people[0])
        for seconds, said in (
            (60, "about 1 minute."),
            (130, "about 3 minutes."),
            (601, "about 15 minutes."),
            (20 * 60, "about 20 minutes."),
            (90 * 60, "about 90 minutes."),
            (91 * 60, "about 2 hours."),
        ):
            with db.write() as session:
                session.execute(update(IntakePace).values(wait_seconds=seconds, measured_at=clock.now()))
            for who in people:
                assert f"Many people are asking right now, so it takes {said}" in page(*who)

    def test_the_wait_for_the_relay_is_part_of_it(self, app, db, worker_vault, clock):
        with db.write() as session:
            outbox.enqueue(
                session, worker_vault, ResetLink.sample(), address="sam@example.com", locale="en",
                now=clock.now(),
            )  # fmt: skip
        clock.advance(timedelta(minutes=4))
        visitor = app.test_client()
        answer = visitor.submit("/reset/", email="eve@example.com")
        assert "about 4 minutes" in visitor.get(answer.location).text

    def test_a_slow_relay_counts_all_that_wait_for_it_although_they_came_just_now(
        self, db, worker_vault, clock
    ):
        def ask(number):
            outbox.enqueue(
                session, worker_vault, ResetLink.sample(), address=f"sam{number}@example.com", locale="en",
                now=clock.now(),
            )  # fmt: skip

        with db.write() as session:
            for number in range(60):
                ask(number)
        with db.read() as session:
            assert outbox_pace.present_wait(session, clock.now()) == timedelta()
        with db.write() as session:
            session.add(MailRelay(relay="mx.example:25", rate=0.1, tokens=0.0, filled_at=clock.now()))
        with db.read() as session:
            assert outbox_pace.present_wait(session, clock.now()) == timedelta(minutes=10)
