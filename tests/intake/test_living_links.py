"""A requested mail's link and code live from when the mail leaves; one that waited too long is dropped."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from portal.incidents import service as incidents
from portal.intake import jobs as intake
from portal.intake.models import IntakeReply
from portal.outbox.models import OutboxMail
from portal.runtime.parts import Handover
from portal.worker import drain
from tests.commands import context, portal
from tests.outgoing import enqueue, row
from tests.reset.journey import ANA, BEN, NEW, STRANGER, code_in, link_in, people
from tests.visitor import leads_to

__all__ = ["context", "enqueue", "people", "portal", "row"]

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
# What a mail of each form promises, and the page that its link opens.
LIVES = {"/reset/": timedelta(hours=24), "/check/": timedelta(days=30), "/subscribe/": timedelta(days=7)}


@pytest.fixture
def request_mails(client, db, clock, worker_parts):
    """Fill in the forms; the worker prepares the mails, but sends none."""

    def submit(*forms, address=ANA):
        with db.write() as session:
            if "/subscribe/" in forms:
                incidents.create(session, "november", "The incident", ("Names",), clock.now())
                incidents.publish(session, "november", clock.now())
        for form in forms:
            fields = {"incident": "november"} if form == "/subscribe/" else {}
            assert client.submit(form, email=address, **fields).status_code == 303
        intake.answer(worker_parts)

    return submit


@pytest.fixture
def ends(db):
    """When each reply ends, by purpose."""

    def read():
        with db.read() as session:
            return dict(session.query(IntakeReply.purpose, IntakeReply.expires_at).all())

    return read


def test_each_link_lives_from_when_its_mail_left(request_mails, clock, ends, worker_parts, smtp):
    request_mails(*LIVES)
    clock.advance(20 * HOUR)
    drain(worker_parts)
    assert len(smtp.to(ANA)) == 3
    assert ends() == {form.strip("/"): clock.now() + lifetime for form, lifetime in LIVES.items()}


@pytest.mark.parametrize("form", LIVES)
def test_a_mail_whose_link_ended_while_it_waited_is_dropped_and_counted(
    request_mails, clock, worker_parts, smtp, portal, caplog, form
):
    """Whether there is somebody or not, and whether the reply was purged or not."""
    request_mails(form)
    clock.advance(LIVES[form])
    drain(worker_parts)
    assert smtp.messages == []
    assert "failed because of outdated: 1" in portal("outbox", "status").output
    assert f"({form.strip('/')!r}) not sent: its link expired while it waited" in caplog.text
    intake.tidy(worker_parts)
    assert portal("outbox", "retry").output == "Queued again: 0.\n"


def endings(db):
    with db.read() as session:
        mails = session.execute(select(OutboxMail.state, OutboxMail.reason, OutboxMail.attempts))
        return [tuple(mail) for mail in mails]


def test_whether_a_mail_is_dropped_says_nothing_about_the_account(
    request_mails, clock, worker_parts, people, db, client
):
    people.add(ANA)
    for address in (ANA, STRANGER):
        request_mails("/reset/", address=address)
    clock.advance(24 * HOUR)
    intake.tidy(worker_parts)
    drain(worker_parts)
    assert endings(db) == [("failed", "outdated", 0)] * 2


@pytest.mark.parametrize("purpose", ["reset-required", "check", "notice"])
def test_a_rewritten_purpose_chooses_nothing_and_tells_nothing(
    request_mails, worker_parts, people, db, smtp, purpose
):
    """Each purpose is asked other questions before a handover: is there an account, must it reset?"""
    people.add(ANA)
    people.add(BEN)
    people.require(BEN)
    for address in (ANA, BEN, STRANGER):
        request_mails("/reset/", address=address)
    with db.write() as session:
        session.execute(update(OutboxMail).values(purpose=purpose))
    drain(worker_parts)
    assert smtp.messages == []
    assert endings(db) == [("failed", "altered", 0)] * 3


def test_the_code_of_a_mail_that_waited_works_for_half_an_hour(
    request_mails, clock, worker_parts, smtp, people, client
):
    people.add(ANA)
    request_mails("/reset/")
    clock.advance(20 * HOUR)
    intake.tidy(worker_parts)
    drain(worker_parts)
    clock.advance(29 * MINUTE)
    (mail,) = smtp.to(ANA)
    assert leads_to(client.submit("/reset/sent/", code=code_in(mail))) == "/reset/choose/"
    clock.advance(MINUTE)
    assert client.submit("/reset/sent/", code=code_in(mail)).status_code == 400


def test_the_code_of_a_mail_that_the_relay_put_off_works_too(
    request_mails, clock, worker_parts, smtp, people, client
):
    people.add(ANA)
    request_mails("/reset/")
    smtp.answer_recipient = lambda address: "451 later"
    drain(worker_parts)
    clock.advance(HOUR)
    intake.tidy(worker_parts)
    smtp.answer_recipient = lambda address: "250 OK"
    drain(worker_parts)
    (mail,) = smtp.to(ANA)
    assert leads_to(client.submit("/reset/sent/", code=code_in(mail))) == "/reset/choose/"


def test_a_second_copy_does_not_bring_a_used_link(request_mails, clock, worker_parts, smtp, people, client):
    """The relay took the first copy without saying so, and its link was used before the next was due."""
    people.add(ANA)
    request_mails("/reset/")
    taken = []

    def take_silently(mail):
        taken.append(mail)
        return "451 later"

    smtp.answer_data = take_silently
    drain(worker_parts)
    smtp.answer_data = lambda mail: "250 OK"
    client.get(link_in(taken[0]))
    assert leads_to(client.submit("/reset/choose/", password=NEW)) == "/reset/done/"
    clock.advance(HOUR)
    drain(worker_parts)
    assert [mail.message["Subject"] for mail in smtp.to(ANA)] == ["Your password was changed"]


@pytest.mark.parametrize("fault", ["ValueError", "IntegrityError"])
def test_a_row_that_cannot_be_prepared_keeps_no_other_from_leaving(
    enqueue, worker_parts, smtp, portal, caplog, row, fault
):
    """Nor does it undo that the one before it was sent, or leave behind half of what its feature wrote."""

    def fail(session, mail, *_):
        if mail.id == spoilt:
            session.execute(update(OutboxMail).values(priority=3))
            if fault == "IntegrityError":
                session.execute(update(OutboxMail).values(state=None))
            message = "sam@example.com"
            raise ValueError(message)
        return Handover.SEND

    worker_parts.before_handover["check"] = fail
    others = [enqueue(f"person{number}@example.com") for number in range(3)]
    spoilt = enqueue("sam@example.com")
    others += [enqueue(f"person{number}@example.com") for number in range(3, 6)]
    drain(worker_parts)
    assert {row(each).state for each in others} == {"sent"}
    assert (row(spoilt).state, row(spoilt).reason) == ("failed", "not-prepared")
    assert len(smtp.messages) == 6
    assert {row(each).priority for each in (spoilt, *others)} == {0}
    assert f"could not be prepared ({fault}: " in caplog.text
    assert "sam@" not in caplog.text
    del worker_parts.before_handover["check"]
    assert portal("outbox", "retry").output == "Queued again: 1.\n"
    drain(worker_parts)
    assert len(smtp.to("sam@example.com")) == 1


def test_a_database_that_fails_about_one_row_keeps_none_before_it_from_being_stored(
    enqueue, worker_parts, smtp, row
):
    """As one that waits too long for a lock: the mail that left must not leave again."""

    def fail(_session, mail, *_):
        if mail.id == locked:
            raise OperationalError("", {}, TimeoutError())
        return Handover.SEND

    worker_parts.before_handover["check"] = fail
    sent, locked = enqueue("kim@example.com"), enqueue("sam@example.com")
    with pytest.raises(OperationalError):
        drain(worker_parts)
    assert (row(sent).state, row(sent).attempts, len(smtp.messages)) == ("sent", 1, 1)
    assert (row(locked).state, row(locked).attempts) == ("queued", 0)
