"""`portal outbox`, who is left out of it, and what a row that somebody altered can put into the log."""

from datetime import timedelta

import pytest
from sqlalchemy import text, update

from portal.campaigns.emails import Notice
from portal.core.service_urls import AddressWrong, MailServer, mail_server
from portal.outbox import jobs, service
from portal.outbox.commands import check_pause
from portal.outbox.models import OutboxMail
from portal.outbox.smtp import Outcome, Relay, RelayError
from portal.subscriptions.emails import StatusUpdate
from portal.worker import drain

BATCH = b"b" * 16


@pytest.fixture
def leave(db, clock):
    def withdraw():
        with db.write() as session:
            service.withdraw(session, BATCH, clock.now())

    return withdraw


@pytest.fixture
def to_reader(enqueue):
    return lambda: enqueue("ana@example.com", mail=StatusUpdate.sample(), batch=BATCH)


def test_status_says_why_mails_wait_and_why_they_failed(enqueue, worker_parts, smtp, command):
    smtp.answer_recipient = lambda address: "550 no" if address.startswith("gone") else "451 later"
    for name in ("gone", "sam", "kim"):
        enqueue(f"{name}@example.com")
    drain(worker_parts)
    enqueue()
    lines = command("status").splitlines()
    assert lines[0].split() == ["queued", "3"]
    assert lines[-3].split() == ["all", "4"]
    assert lines[-2:] == ["failed because of smtp-550: 1", "waiting because of smtp-451: 2"]


class TestWhoLeft:
    def test_gets_nothing_that_failed_before(self, to_reader, worker_parts, smtp, command, leave):
        smtp.answer_recipient = lambda address: "550 no"
        to_reader()
        drain(worker_parts)
        leave()
        smtp.answer_recipient = lambda address: "250 OK"
        assert command("retry") == "Queued again: 0.\n"
        drain(worker_parts)
        assert smtp.messages == []

    def test_gets_no_second_copy_of_what_may_have_left(self, to_reader, command, leave, db, row, clock):
        waiting = to_reader()
        with db.write() as session:
            values = {
                "state": "uncertain",
                "maybe_sent_count": 3,
                "due_at": None,
                "reason": "connection-lost",
            }
            session.execute(update(OutboxMail).values(values))
        leave()
        assert command("retry", "--uncertain") == "Queued again: 0.\n"
        assert row(waiting).state == "uncertain"

    @pytest.mark.parametrize(
        "answer", ["451 greylisted", "554 5.7.1 not now", "550 no", "421 closing", "452 no room"]
    )
    def test_in_the_moment_of_sending_gets_nothing_later(
        self, to_reader, worker_parts, smtp, command, leave, clock, counts, answer
    ):
        def say(_address):
            leave()
            return answer

        smtp.answer_recipient = say
        to_reader()
        drain(worker_parts)
        smtp.answer_recipient = lambda address: "250 OK"
        for _ in range(3):
            clock.advance(timedelta(hours=1))
            drain(worker_parts)
        command("retry")
        command("retry", "--uncertain")
        drain(worker_parts)
        assert smtp.messages == []
        assert counts() == {}

    def test_when_it_was_just_taken_is_counted_as_sent(self, to_reader, worker_parts, smtp, leave, counts):
        smtp.answer_data = lambda mail: leave() or "250 OK"
        to_reader()
        drain(worker_parts)
        assert counts() == {"sent": 1}

    def test_while_others_of_the_batch_are_sent_gets_nothing(
        self, enqueue, to_reader, worker_parts, smtp, leave
    ):
        smtp.answer_data = lambda mail: leave() or "250 OK"
        enqueue("sam@example.com")
        enqueue("kim@example.com")
        to_reader()
        drain(worker_parts)
        assert sorted(mail.recipients for mail in smtp.messages) == [
            ("kim@example.com",),
            ("sam@example.com",),
        ]


@pytest.mark.parametrize(("less", "again"), [(timedelta(seconds=1), 2), (timedelta(), 1)])
def test_what_was_asked_for_a_day_ago_is_not_sent_again_and_a_notice_is(
    enqueue, worker_parts, smtp, command, clock, less, again
):
    smtp.answer_recipient = lambda address: "550 no"
    enqueue("asked@example.com")
    enqueue("victim@example.com", mail=Notice())
    drain(worker_parts)
    clock.advance(timedelta(hours=24) - less)
    smtp.answer_recipient = lambda address: "250 OK"
    assert command("retry") == f"Queued again: {again}.\n"
    drain(worker_parts)
    assert ("victim@example.com",) in {mail.recipients for mail in smtp.messages}
    assert len(smtp.messages) == again


@pytest.mark.parametrize(("ambiguous", "furthest"), [(0, timedelta(hours=1)), (1, timedelta(hours=31))])
def test_a_mail_that_is_put_off_further_than_any_is_due_at_once(enqueue, db, row, clock, ambiguous, furthest):
    waiting = enqueue()
    for more, mended in ((timedelta(), False), (timedelta(seconds=1), True)):
        far = clock.now() + furthest + more
        with db.write() as session:
            session.execute(update(OutboxMail).values(due_at=far, maybe_sent_count=ambiguous))
            jobs.reset_future_dates(session, clock.now())
        assert row(waiting).due_at == (clock.now() if mended else far)


def test_no_row_writes_a_line_of_its_own_into_the_log(enqueue, worker_parts, db, caplog):
    enqueue()
    with db.write() as session:
        session.execute(
            update(OutboxMail).values(purpose="x\nERROR all is lost\x1b[2J", payload=b"spoilt" * 50)
        )
    drain(worker_parts)
    said = [record.getMessage() for record in caplog.records if "does not decrypt" in record.getMessage()]
    assert said
    assert not any("\n" in line or "\x1b" in line for line in said)


class TestPasswordBeyondAscii:
    @pytest.mark.parametrize(
        "signs_in", ["portal:Gr%C3%BCn-lang-9", "portal:Grün-lang-9", "jörg:lang-enough-9"]
    )
    def test_is_refused_in_the_settings_without_being_repeated(self, signs_in):
        with pytest.raises(AddressWrong, match="non-ASCII") as refused:
            mail_server(f"smtp://{signs_in}@relay.example:587?tls=starttls")
        assert "lang" not in str(refused.value)

    def test_pauses_instead_of_an_exception_that_holds_it(self, smtp):
        server = MailServer(smtp.host, smtp.port, "portal", "Grün-und-lang-9", "none")
        with pytest.raises(RelayError, match="no-ascii-password") as refused:
            Relay(server, "a@b.example").connect()
        assert refused.value.result.outcome is Outcome.SENDER_REJECTED
        assert refused.value.__context__ is None


class TestPause:
    def test_stops_notices_and_updates_at_once_and_not_what_was_asked_for(
        self, enqueue, worker_parts, smtp, command, counts
    ):
        """In the middle of a batch: what is claimed already does not leave either."""

        def answer(_mail):
            if len(smtp.messages) == 2:
                command("pause", "--reason", "a wrong date")
            return "250 OK"

        smtp.answer_data = answer
        for number in range(20):
            enqueue(f"victim{number}@example.com", mail=Notice() if number % 2 else StatusUpdate.sample())
        drain(worker_parts)
        assert len(smtp.messages) == 3
        assert counts() == {"sent": 3, "queued": 17}
        smtp.answer_data = lambda mail: "250 OK"
        enqueue("asked@example.com")
        drain(worker_parts)
        assert smtp.messages[-1].recipients == ("asked@example.com",)
        assert command("status").splitlines()[-1] == (
            "notices and updates are paused since 2026-11-23 09:00 UTC: a wrong date"
        )
        assert command("resume") == "Notices and updates are sent again.\n"
        drain(worker_parts)
        assert counts() == {"sent": 21}

    def test_is_said_once_shown_by_doctor_and_audited(self, command, db):
        assert command("pause", "--reason", "a wrong date") == (
            "Notices and updates are paused. To go on: portal outbox resume\n"
        )
        assert command("pause", "--reason", "again") == "They were already paused; the first reason stays.\n"
        ((name, fault),) = check_pause(db)
        assert name == "outgoing mail"
        assert "a wrong date; `portal outbox resume` sends again" in str(fault)
        with db.read() as session:
            actions = list(session.scalars(text("SELECT action FROM audit_entries ORDER BY number")))
        assert actions == ["outbox.pause"]
        command("resume")
        assert command("resume") == "They were not paused.\n"
        assert list(check_pause(db)) == []


def test_a_reason_that_no_mail_has_is_said_to_be_unknown(run, command, enqueue, worker_parts, smtp):
    enqueue("sam@example.com")
    smtp.answer_recipient = lambda address: "550 no"
    drain(worker_parts)
    refused = run("outbox", "retry", "--reason", "smtp-55O")
    assert refused.exit_code == 1
    told = "Error: No mail has failed because of 'smtp-55O'. Reasons: smtp-550. See: portal outbox status\n"
    assert refused.output == told
    assert command("retry", "--reason", "smtp-550") == "Queued again: 1.\n"
