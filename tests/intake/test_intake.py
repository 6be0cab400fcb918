"""The intake: strangers' words, sealed at one length, answered once, and never lost."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text, update

from portal.core.db import new_id
from portal.core.settings import Retention
from portal.intake import jobs, replies, service
from portal.intake.models import IntakeReply, IntakeRequest
from portal.runtime.parts import Outcome

ADDRESS = "sam@example.com"
DAY = timedelta(days=1)


@pytest.fixture
def submit(db, web_vault, clock):
    def put(purpose="test", **fields):
        with db.write() as session:
            return service.submit(session, web_vault, purpose, fields, clock.now())

    return put


@pytest.fixture
def requests(db):
    def read():
        with db.read() as session:
            return list(session.scalars(select(IntakeRequest)))

    return read


def handled(worker_parts, handler):
    return replace(worker_parts, handlers={"test": handler})


class TestRequests:
    def test_rows_have_one_length_whatever_was_typed(self, submit, requests):
        for email in ("", "a@b.example", "é" * 254, "x" * 900):
            submit(email=email)
        assert len({len(row.sealed) for row in requests()}) == 1
        assert not any(b"a@b.example" in row.sealed for row in requests())

    def test_what_does_not_fit_is_refused_before_anything_is_stored(self, submit, requests):
        with pytest.raises(service.TooMuch):
            submit(email="x" * 1_000_000)
        assert requests() == []

    def test_an_answered_request_leaves_with_its_answer(self, submit, requests, worker_parts):
        seen = []
        submit(email=ADDRESS)
        jobs.answer(handled(worker_parts, lambda session, request, now, parts: seen.append(request.fields)))
        assert seen == [{"email": ADDRESS}]
        assert requests() == []

    def test_one_with_text_for_bytes_is_set_aside_and_stops_no_other(
        self, submit, requests, worker_parts, db, caplog
    ):
        if not db.is_sqlite:
            pytest.skip("PostgreSQL's columns are typed")
        seen = []
        forged = submit(email="forged@example.com")
        submit(email=ADDRESS)
        with db.write() as session:
            session.execute(text("UPDATE intake_requests SET sealed = 'x' WHERE id = :id"), {"id": forged})
        jobs.answer(handled(worker_parts, lambda session, request, now, parts: seen.append(request.fields)))
        assert seen == [{"email": ADDRESS}]
        assert "does not decrypt, set aside as failed" in caplog.text
        with db.read() as session:
            assert session.scalars(select(IntakeRequest.state)).all() == ["failed"]

    def test_a_handler_that_fails_leaves_nothing_half_done_is_retried_and_at_last_set_aside(
        self, submit, requests, worker_parts, clock, db, worker_vault, caplog
    ):
        submit(email=ADDRESS)

        def fail(session, request, now, parts):
            replies.count_answer(
                session, worker_vault, "test", ADDRESS, now, reply_id=request.reply_id, lifetime=DAY
            )
            raise RuntimeError(request.fields["email"])

        tries = 0
        while requests()[0].due_at is not None:
            tries += jobs.answer(handled(worker_parts, fail))
            clock.advance(timedelta(minutes=5))
        assert tries == 48
        assert requests()[0].state == "failed"
        assert ADDRESS not in caplog.text
        with db.write() as session:
            taken = [
                replies.count_answer(
                    session, worker_vault, "test", ADDRESS, clock.now(), reply_id=new_id(), lifetime=DAY
                )
                for _ in range(4)
            ]
        assert taken == [True, True, True, False]

    def test_one_that_fails_does_not_keep_the_others_from_their_answers(self, submit, requests, worker_parts):
        answered = []

        def handler(session, request, now, parts):
            if request.fields["email"] == "bad":
                raise KeyError
            answered.append(request.fields["email"])

        for email in ("one", "bad", "two"):
            submit(email=email)
        jobs.answer(handled(worker_parts, handler))
        assert sorted(answered) == ["one", "two"]
        assert len(requests()) == 1

    @pytest.mark.parametrize("content", [b"[" * 1000, b"[]", b'{"email": 1}', b"\xff", b"null", b""])
    def test_a_request_forged_with_the_web_s_keys_is_set_aside_and_the_next_answered(
        self, db, clock, submit, requests, worker_parts, web_vault, content
    ):
        row_id = new_id()
        padded = (len(content).to_bytes(2) + content).ljust(1024, b"\0")
        with db.write() as session:
            session.add(
                IntakeRequest(
                    id=row_id, purpose="test", asked_at=clock.now() - DAY, due_at=clock.now(),
                    sealed=web_vault.seal("test", row_id, padded),
                )
            )  # fmt: skip
        submit(email=ADDRESS)
        seen = []
        jobs.answer(handled(worker_parts, lambda session, request, now, parts: seen.append(request.fields)))
        assert seen == [{"email": ADDRESS}]
        assert [row.state for row in requests()] == ["failed"]

    def test_a_sealed_request_moved_to_another_purpose_is_set_aside(self, db, submit, requests, worker_parts):
        submit("other", email=ADDRESS)
        with db.write() as session:
            session.execute(update(IntakeRequest).values(purpose="test"))
        jobs.answer(handled(worker_parts, lambda *_: pytest.fail("it was answered")))
        assert [row.state for row in requests()] == ["failed"]

    def test_a_worker_killed_between_claim_and_answer_costs_a_lease(
        self, submit, requests, worker_parts, clock
    ):
        submit(email=ADDRESS)
        jobs._claim(worker_parts, new_id(), clock.now(), 20)
        seen = []
        parts = handled(worker_parts, lambda session, request, now, parts: seen.append(request.id))
        clock.advance(timedelta(seconds=59))
        assert jobs.answer(parts) == 0
        clock.advance(timedelta(seconds=1))
        assert jobs.answer(parts) == 1
        assert len(seen) == 1
        assert requests() == []

    def test_a_worker_that_lost_its_lease_answers_nothing(self, submit, worker_parts, clock):
        submit(email=ADDRESS)
        stale = new_id()
        rows = jobs._claim(worker_parts, stale, clock.now(), 20)
        clock.advance(timedelta(seconds=60))
        jobs._claim(worker_parts, new_id(), clock.now(), 20)
        parts = handled(worker_parts, lambda *_: pytest.fail("answered twice"))
        jobs._answer_request(parts, rows[0], stale, lambda: jobs._open(parts, rows[0], set()))

    def test_a_held_request_waits_until_it_is_released_and_for_thirty_days_at_most(
        self, submit, requests, worker_parts, clock, db
    ):
        submit(email=ADDRESS)
        seen = []

        def hold_once(session, request, now, parts):
            seen.append(request.again)
            return Outcome.ANSWERED if request.again else Outcome.HELD

        parts = handled(worker_parts, hold_once)
        jobs.answer(parts)
        clock.advance(DAY)
        assert jobs.answer(parts) == 0
        with db.write() as session:
            jobs.release(session, ["test"], clock.now())
        jobs.answer(parts)
        assert seen == [False, True]
        submit(email=ADDRESS)
        jobs.answer(parts)
        for more, left in ((timedelta(days=30), 1), (timedelta(hours=14), 1), (timedelta(hours=1), 0)):
            clock.advance(more)
            with db.write() as session:
                jobs.EXPIRED.purge(session, Retention(), clock.now(), 500)
            assert len(requests()) == left

    def test_waits_for_the_next_try_grow_from_fifteen_seconds_to_half_an_hour(
        self, submit, requests, worker_parts, clock
    ):
        def fail(session, request, now, parts):
            raise RuntimeError

        submit(email=ADDRESS)
        waits = []
        for _ in range(9):
            jobs.answer(handled(worker_parts, fail))
            waits.append((requests()[0].due_at - clock.now()).total_seconds())
            clock.advance(timedelta(seconds=waits[-1]))
        assert waits == [15, 30, 60, 120, 240, 480, 960, 1800, 1800]

    @pytest.mark.parametrize(("more", "mended"), [(timedelta(), False), (timedelta(seconds=1), True)])
    def test_one_that_is_due_in_more_than_an_hour_was_put_off_by_a_wrong_clock(
        self, submit, requests, db, clock, more, mended
    ):
        submit(email=ADDRESS)
        far = clock.now() + timedelta(hours=1) + more
        with db.write() as session:
            session.execute(update(IntakeRequest).values(due_at=far))
            jobs.mend_dates(session, clock.now())
        assert requests()[0].due_at == (clock.now() if mended else far)

    def test_held_requests_do_not_keep_fresh_ones_waiting_nor_these_them(
        self, submit, requests, worker_parts, clock, db
    ):
        for number in range(100):
            submit(email=f"held {number}")
        parts = handled(worker_parts, lambda *_: Outcome.HELD)
        while jobs.answer(parts):
            pass
        clock.advance(DAY)
        with db.write() as session:
            jobs.release(session, ["test"], clock.now())
        clock.advance(timedelta(seconds=1))
        for number in range(30):
            submit(email=f"fresh {number}")
        answered = []
        parts = handled(
            worker_parts, lambda session, request, now, parts: answered.append(request.fields["email"][:5])
        )
        assert jobs.answer(parts) == 20
        assert answered == ["fresh"] * 15 + ["held "] * 5
        assert jobs.answer(parts) == jobs.answer(parts) == 20
        assert answered.count("fresh") == 30
        while jobs.answer(parts, 1):
            pass
        assert requests() == []

    def test_where_one_is_answered_at_a_time_neither_kind_waits_for_the_end_of_the_other(
        self, submit, requests, worker_parts, clock, db
    ):
        for number in range(60):
            submit(email=f"held {number}")
        while jobs.answer(handled(worker_parts, lambda *_: Outcome.HELD)):
            pass
        with db.write() as session:
            jobs.release(session, ["test"], clock.now())
        for number in range(60):
            submit(email=f"fresh {number}")
        answered = []
        parts = handled(
            worker_parts, lambda session, request, now, parts: answered.append(request.fields["email"][:5])
        )
        for _ in range(60):
            assert jobs.answer(parts, 1) == 1
        assert set(answered) == {"fresh", "held "}

    def test_two_workers_answer_each_request_once(self, submit, requests, worker_parts):
        for number in range(40):
            submit(email=str(number))
        seen = []
        parts = handled(
            worker_parts, lambda session, request, now, parts: seen.append(request.fields["email"])
        )
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: jobs.answer(parts, 10), range(8)))
        assert sorted(seen, key=int) == [str(number) for number in range(40)]
        assert requests() == []


class TestLinks:
    def test_a_token_opens_its_reply_and_nothing_else_does(self, prepare, opened, clock):
        _, token = prepare(data={"answer": "¿sí?"})
        assert opened(token).data == {"answer": "¿sí?"}
        for wrong in (None, "", token.upper(), token[:-1], token + "a", "a" * 32, "\0" * 32, "x" * 1_000_000):
            with pytest.raises(service.LinkInvalid):
                opened(wrong)
        with pytest.raises(service.LinkInvalid):
            opened(token, "check")
        clock.advance(DAY)
        with pytest.raises(service.LinkInvalid):
            opened(token)

    def test_a_clock_that_jumps_back_revives_nothing_that_ended_a_day_ago(self, prepare, opened, clock, db):
        _, token = prepare()
        clock.advance(2 * DAY)
        with db.write() as session:
            replies.EXPIRED.purge(session, Retention(), clock.now(), 500)
        clock.advance(-2 * DAY)
        with pytest.raises(service.LinkInvalid):
            opened(token)

    @pytest.mark.parametrize("column", ["data", "created_at", "expires_at", "spent_at"])
    def test_a_forged_reply_opens_nothing(self, prepare, opened, db, column):
        if not db.is_sqlite:
            pytest.skip("PostgreSQL stores no text there")
        _, token = prepare()
        with db.write() as session:
            session.execute(text(f"UPDATE intake_replies SET {column} = 'spoilt'"))
        with pytest.raises(service.LinkInvalid):
            opened(token)

    def test_of_fifty_at_once_exactly_one_wins(self, prepare, spend, opened):
        row_id, token = prepare()

        def race(_):
            try:
                spend(row_id)
            except service.LinkInvalid:
                return False
            return True

        with ThreadPoolExecutor(12) as pool:
            assert sum(pool.map(race, range(50))) == 1
        with pytest.raises(service.LinkInvalid):
            opened(token)
        assert opened(token, spent_too=True).spent

    def test_rows_are_alike_whatever_the_answer(self, prepare, db):
        prepare(data={})
        prepare(
            address="k@x.example",
            data={"people": ["x" * 4000]},
            browser="00" * 16,
            private={"account": "y" * 400},
        )
        with db.read() as session:
            rows = list(session.scalars(select(IntakeReply)))
        lengths = [
            {name: len(value) for name, value in vars(row).items() if isinstance(value, bytes)}
            for row in rows
        ]
        assert lengths[0] == lengths[1]

    @pytest.mark.parametrize("days", [1, 7, 30])
    def test_a_link_lives_as_long_as_was_promised_whatever_strangers_ask_for(
        self, prepare, opened, clock, days
    ):
        mine = prepare(lifetime=timedelta(days=days))[1]
        for _ in range(days * 3):
            clock.advance(timedelta(hours=8, seconds=-1))
            prepare(lifetime=timedelta(days=days))
        assert opened(mine).data

    def test_a_link_swapped_onto_another_row_opens_nothing(self, prepare, opened, db):
        _, mine = prepare()
        other, theirs = prepare(address="kim@example.com")
        with db.write() as session:
            data = session.scalar(select(IntakeReply.data).where(IntakeReply.id == other))
            session.execute(update(IntakeReply).where(IntakeReply.id != other).values(data=data))
        with pytest.raises(service.LinkInvalid):
            opened(mine)
        assert opened(theirs).data

    def test_an_address_is_answered_three_times_a_day(self, db, worker_vault, clock):
        def take(address=ADDRESS, purpose="reset"):
            with db.write() as session:
                now = clock.now()
                return replies.count_answer(
                    session, worker_vault, purpose, address, now, reply_id=new_id(), lifetime=DAY
                )

        assert [take() for _ in range(4)] == [True, True, True, False]
        assert take("kim@example.com")
        assert take(purpose="check")
        clock.advance(DAY)
        assert take()

    def test_what_was_answered_counts_until_midnight_though_its_link_ended_sooner(
        self, db, worker_vault, clock
    ):
        def take():
            now, hour = clock.now(), timedelta(hours=1)
            with db.write() as session:
                replies.EXPIRED_CAPS.purge(session, Retention(), now, 500)
                return replies.count_answer(
                    session, worker_vault, "reset", ADDRESS, now, reply_id=new_id(), lifetime=hour
                )

        clock.at = datetime(2026, 11, 23, tzinfo=UTC)
        assert [take() for _ in range(4)] == [True, True, True, False]
        clock.advance(timedelta(hours=24, seconds=-1))
        assert not take()
        clock.advance(timedelta(seconds=1))
        assert take()
