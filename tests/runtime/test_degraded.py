"""What `/readyz` calls degraded has a cause that an operator is told, and ends when the cause ends."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, select, update

from portal.audit.models import AuditEntry
from portal.campaigns.emails import Notice
from portal.core.db import Database
from portal.core.service_urls import MailServer
from portal.intake.models import IntakeRequest
from portal.outbox import service as outbox
from portal.outbox.bulk import lanes
from portal.outbox.models import OutboxMail
from portal.worker import drain
from tests.commands import context, portal
from tests.configured import configured
from tests.processes import free_port

__all__ = ["context", "portal"]

MINUTE = timedelta(minutes=1)


@pytest.fixture
def notice(db, worker_vault, clock) -> Callable[[str], None]:
    """Queue a notice."""

    def add(name: str) -> None:
        with db.write() as session:
            outbox.enqueue(
                session,
                worker_vault,
                Notice.sample(),
                address=f"{name}@northwind.example",
                locale="en",
                now=clock.now(),
            )

    return add


def test_a_long_notice_that_the_relay_is_taking_is_not_degraded(
    client, notice, clock, worker_parts, smtp, db, portal
):
    notice("first")
    clock.advance(40 * MINUTE)
    drain(worker_parts)
    assert len(smtp.messages) == 1
    notice("second")
    with db.write() as session:  # it has waited since the first: the notice is long
        session.execute(
            update(OutboxMail).where(OutboxMail.due_at.is_not(None)).values(due_at=clock.now() - 40 * MINUTE)
        )
    clock.advance(9 * MINUTE)
    assert client.get("/readyz").text.endswith("mail: ok\n")
    assert "degraded" not in portal("outbox", "status").output
    clock.advance(2 * MINUTE)
    assert client.get("/readyz").text.endswith("mail: degraded\n")


def test_status_names_why_mail_does_not_leave_until_it_does(client, notice, clock, worker_parts, portal):
    def last_line() -> str:
        return portal("outbox", "status").output.splitlines()[-1]

    notice("first")
    clock.advance(11 * MINUTE)
    assert last_line() == (
        "degraded: mail has been waiting since 2026-11-23 09:00 UTC, none accepted for ten minutes: none was "
        "tried; is `portal worker` running?"
    )
    nowhere = MailServer("127.0.0.1", free_port(), tls="none")
    drain(replace(worker_parts, settings=configured(worker_parts.settings, mail={"server": nowhere})))
    assert client.get("/readyz").text.endswith("mail: degraded\n")
    assert "the last attempts ended with no-connection; see `portal doctor`" in last_line()
    clock.advance(timedelta(hours=1))
    drain(worker_parts)
    assert client.get("/readyz").text.endswith("mail: ok\n")
    assert "degraded" not in last_line()


def test_what_the_operator_paused_is_not_degraded(client, notice, clock, db):
    notice("first")
    with db.write() as session:
        lanes.pause(session, "the date is wrong", clock.now())
    clock.advance(timedelta(days=1))
    assert client.get("/readyz").text.endswith("mail: ok\n")


def test_failed_requests_are_named_and_can_be_retried_or_given_up(client, portal, db, worker_parts, smtp):
    def fail() -> None:
        assert client.submit("/check/", email="sam@example.com").status_code == 303
        with db.write() as session:
            asked = update(IntakeRequest).where(IntakeRequest.state == "waiting")
            session.execute(asked.values(state="failed", due_at=None, attempts=48))

    def status() -> list[str]:
        return portal("intake", "status").output.splitlines()

    assert [line.split() for line in status()] == [["waiting", "0"], ["held", "0"], ["failed", "0"]]
    fail()
    assert "queue: degraded" in client.get("/readyz").text
    assert status()[2].split() == ["failed", "1"]
    assert status()[-1].startswith("degraded: some requests failed; the worker's log says why.")
    assert portal("intake", "retry").output == "Queued again: 1.\n"
    drain(worker_parts)
    assert len(smtp.messages) == 1
    assert "queue: ok" in client.get("/readyz").text
    fail()
    assert portal("intake", "discard").output == "Deleted: 1.\n"
    assert "queue: ok" in client.get("/readyz").text
    assert len(status()) == 3
    with db.read() as session:
        assert set(session.scalars(select(AuditEntry.action))) == {"intake.retry", "intake.discard"}


def test_requests_that_wait_are_named_until_they_are_answered(client, portal, clock, worker_parts):
    client.submit("/check/", email="sam@example.com")
    clock.advance(3 * MINUTE)
    assert portal("intake", "status").output.splitlines()[-1] == (
        "degraded: a request has been waiting since 2026-11-23 09:00 UTC: `portal worker` is not running, or "
        "requests arrive faster than it answers"
    )
    drain(worker_parts)
    assert "degraded" not in portal("intake", "status").output


def test_readyz_asks_the_database_nothing_and_the_log_tells_each_change_once(
    app, client, db: Database, clock, notice, caplog
):
    caplog.set_level(logging.INFO, "portal.storage")
    check = app.extensions["portal"].storage
    check._started = True  # its thread is the test
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    notice("first")
    check.look()
    event.listen(db.engine, "before_cursor_execute", note)
    assert client.get("/readyz").text == "database: ok\nworker: degraded\nqueue: ok\nmail: ok\n"
    clock.advance(11 * MINUTE)
    assert client.get("/readyz").text == "database: ok\nworker: degraded\nqueue: ok\nmail: ok\n"
    assert asked == []
    event.remove(db.engine, "before_cursor_execute", note)
    for _ in range(3):
        check.look()
    assert client.get("/readyz").text == "database: ok\nworker: degraded\nqueue: ok\nmail: degraded\n"
    (said,) = (message for message in caplog.messages if "mail is" in message)
    assert said.startswith("storage: mail is degraded: mail has been waiting since 2026-11-23 09:00 UTC")
