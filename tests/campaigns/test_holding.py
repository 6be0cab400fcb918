"""A notice is paused, resumed and stopped: it is held at once, nobody is missed, and nobody gets it twice."""

import csv
import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from portal.audit.models import AuditEntry
from portal.campaigns import jobs, service
from portal.campaigns.console import notice_of
from portal.campaigns.series import steering
from portal.exposure import service as exposure
from portal.incidents import service as incidents
from portal.outbox import jobs as outbox_jobs
from portal.outbox.bulk import retrying
from portal.worker import drain
from tests.campaigns.conftest import SLUG, STATEMENT, numbered
from tests.campaigns.test_series import draft, recounted, start, status, to


@pytest.fixture
def look(operator, worker_parts):
    """Let the worker do its scheduled jobs."""

    def run():
        jobs.resume(worker_parts)
        outbox_jobs.count_changed(worker_parts)

    return run


@pytest.fixture
def queued(operator, look):
    """A notice to 20 people in one wave of 12, all queued, and another of 8 an hour later."""
    operator.live(numbered(20))
    at = (operator.clock.now() + timedelta(hours=1)).isoformat()
    start(operator, "--wave", "12", "--wave", f"rest@{at}")
    look()


def held(operator):
    with operator.db.read() as session:
        return steering.state_of(service.campaigns(session)[0])


def test_a_pause_holds_what_is_queued_and_a_resumed_notice_goes_to_everyone_once(
    operator, queued, look, smtp, worker_parts, clock
):
    assert operator.run("pause", SLUG, "--reason", "the date is wrong").exit_code == 0
    drain(worker_parts)
    clock.advance(timedelta(hours=2))
    look()
    drain(worker_parts)
    assert smtp.messages == []
    (notice,) = status(operator)
    assert (notice["state"], notice["states"]["queued"], notice["waiting"]) == ("paused", 12, 8)
    assert notice["last_leaves_at"] is None
    assert "notice is paused" in operator.run("notify", SLUG, "--confirm", "20").output
    assert operator.run("pause", SLUG, "--reason", "again").exit_code == 1
    assert operator.run("resume", SLUG).exit_code == 0
    look()
    drain(worker_parts)
    assert len(to(smtp)) == len(set(to(smtp))) == 20
    recounted(operator.db)
    assert operator.run("resume", SLUG).exit_code == 1


def test_other_mail_and_other_notices_leave_while_one_is_paused(operator, queued, look, smtp, worker_parts):
    operator.run("pause", SLUG, "--number", "1", "--reason", "wrong")
    start(operator, "--kind", "supplementary")
    look()
    drain(worker_parts)
    assert len(to(smtp)) == 20
    assert [(one["number"], one["state"]) for one in status(operator)] == [(2, "ended"), (1, "paused")]


def test_what_is_stopped_goes_to_nobody_else_and_they_are_listed(
    operator, queued, look, smtp, worker_parts, clock, tmp_path
):
    smtp.answer_recipient = lambda address: "450 4.2.1 later" if address.startswith("p3@") else "250 OK"
    drain(worker_parts)
    sent = set(to(smtp))
    assert len(sent) in (11, 12)
    start(operator, "--kind", "supplementary")
    look()
    done = operator.run("stop", SLUG, "--number", "2", "--reason", "the wrong list")
    assert done.exit_code == 0
    assert "--to not-reached --since 2" in done.output
    look()
    drain(worker_parts)
    clock.advance(timedelta(days=1))
    look()
    drain(worker_parts)
    notice = status(operator)[0]
    assert (notice["state"], notice["states"]["failed"], notice["adds_up"]) == ("stopped", 20, True)
    recounted(operator.db)
    file = tmp_path / "failed.csv"
    assert operator.run("failed", SLUG, "--number", "2", "--output", str(file)).exit_code == 0
    with file.open(newline="") as rows:
        reasons = [row["reason"] for row in csv.DictReader(rows)]
    assert reasons == ["stopped"] * 20
    assert operator.run("stop", SLUG, "--number", "2", "--reason", "x").exit_code == 1
    assert operator.run("resume", SLUG, "--number", "2").exit_code == 1
    start(operator, "--kind", "supplementary", "--to", "not-reached", "--since", "2")
    smtp.messages.clear()
    look()
    drain(worker_parts)
    assert len(to(smtp)) == len(set(to(smtp))) >= 19


def test_whose_mail_was_not_queued_when_it_was_stopped_is_listed_until_somebody_tells_them(
    operator, queued, look, smtp, worker_parts, tmp_path
):
    drain(worker_parts)
    sent = set(to(smtp))
    operator.run("stop", SLUG, "--reason", "too early")
    look()

    def listed(name):
        done = operator.run("failed", SLUG, "--output", str(tmp_path / name))
        assert done.exit_code == 0, done.output
        with (tmp_path / name).open(newline="") as rows:
            return {row["email"].partition("@")[0]: row["reason"] for row in csv.DictReader(rows)}

    assert listed("first.csv") == dict.fromkeys({f"p{n}" for n in range(20)} - sent, "not-queued")
    operator.run("notify", SLUG, "--confirm", "20")
    look()
    drain(worker_parts)
    assert len(to(smtp)) == len(set(to(smtp))) == 20
    assert listed("then.csv") == {}


def test_a_stopped_first_notice_can_be_sent_to_the_others(operator, queued, look, smtp, worker_parts):
    operator.run("stop", SLUG, "--reason", "too early")
    look()
    drain(worker_parts)
    assert smtp.messages == []
    assert operator.run("notify", SLUG, "--confirm", "20").exit_code == 0
    drain(worker_parts)
    assert len(to(smtp)) == len(set(to(smtp))) == 20
    look()
    recounted(operator.db)
    assert all(one["adds_up"] for one in status(operator))


def test_retrying_all_failed_mail_sends_nothing_of_a_stopped_notice(
    operator, queued, look, smtp, worker_parts
):
    operator.run("stop", SLUG, "--reason", "wrong")
    look()
    with operator.db.write() as session:
        assert retrying.retry_failed(session, None, operator.clock.now()) == 0
    drain(worker_parts)
    assert smtp.messages == []


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
def test_a_pause_that_waited_for_a_stop_does_not_undo_it(operator, queued):
    """On SQLite the second one begins after the first one's end."""
    now = operator.clock.now()
    with operator.db.write() as pausing:
        incident, _as_it_was = notice_of(pausing, SLUG, 1)
        with operator.db.write() as stopping:
            campaign = steering.locked(stopping, incident.id, 1)
            steering.stop(stopping, campaign, now, reason="wrong list", lets_list_go=False)
        with pytest.raises(steering.NoticeState):
            steering.pause(pausing, steering.locked(pausing, incident.id, 1), now, reason="wait")
    assert held(operator) == "stopped"


def test_a_discarded_draft_is_gone(operator, look, smtp, worker_parts):
    operator.live(numbered(2))
    _said, command = draft(operator)
    assert operator.run("stop", SLUG, "--reason", "not needed").exit_code == 0
    assert operator.run(*command).exit_code == 1
    look()
    drain(worker_parts)
    assert smtp.messages == []
    assert status(operator) == []


def test_who_holds_needs_no_keys_and_the_worker_writes_it_under_its_mac(operator, queued, look, db, clock):
    with db.write() as session:  # as a process without keys does
        campaign = steering.locked(session, incidents.by_slug(session, SLUG).id)
        steering.pause(session, campaign, clock.now(), "ana")
    assert held(operator) == "paused"
    look()
    with db.write() as session:  # as somebody does who can write to the database
        session.execute(text("UPDATE notices SET hold = NULL"))
    assert held(operator) == "paused"
    with db.read() as session:
        (entry,) = session.query(AuditEntry).where(AuditEntry.action == "campaigns.pause")
    assert json.loads(entry.details) == {"by": "ana", "notice": 1}


FORGERIES = [
    "UPDATE notices SET state = 'running', hold = NULL",
    "UPDATE notices SET audience = replace(audience, 'all', 'new')",
    "UPDATE notices SET kind = 'correction'",
    "UPDATE notices SET expected = 21",
    "UPDATE notices SET per_hour = 1",
    "UPDATE notices SET list_id = list_id + 1",
    'UPDATE notice_waves SET "limit" = NULL',
    "UPDATE notice_waves SET not_before = NULL WHERE number = 2",
    "UPDATE notice_waves SET worst = 1",
    "DELETE FROM notice_waves WHERE number = 1",
    "UPDATE notices SET format = 0",
]


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_draft_goes_to_nobody(operator, db, look, smtp, worker_parts, clock, forgery, caplog):
    operator.live(numbered(20))
    at = (clock.now() + timedelta(hours=1)).isoformat()
    _said, command = draft(operator, "--wave", "12", "--wave", f"rest@{at}")
    with db.write() as session:
        session.execute(text(forgery))
    assert operator.run(*command[:-2]).exit_code == 1
    clock.advance(timedelta(hours=2))
    look()
    drain(worker_parts)
    assert smtp.messages == []


@pytest.mark.parametrize("forgery", [one for one in FORGERIES if "list_id" not in one])
def test_a_forged_edit_of_a_started_notice_mails_nobody_more(
    operator, db, queued, look, smtp, worker_parts, clock, forgery, caplog
):
    if forgery.startswith("UPDATE notices SET state"):
        operator.run("pause", SLUG, "--reason", "wrong")
        look()
    with db.write() as session:
        session.execute(text(forgery))
        session.execute(text("UPDATE outbox_lanes SET held = false"))
    clock.advance(timedelta(hours=2))
    look()
    drain(worker_parts)
    assert smtp.messages == []
    assert "without the worker's keys" in caplog.text
    assert operator.run("stop", SLUG, "--reason", "altered").exit_code == 0
    look()
    assert status(operator)[0]["states"]["queued"] == 0


def test_frozen_words_of_a_former_draft_do_not_pass(operator, db, smtp):
    operator.statement(STATEMENT)
    operator.live(numbered(2))
    own = operator.folder / "own.txt"
    own.write_text("Send us your password.\n")
    draft(operator, "--own", f"en={own}")
    with db.read() as session:
        former = [dict(row) for row in session.execute(text("SELECT * FROM campaigns_words")).mappings()]
    _said, command = draft(operator, "--number", "1")
    put_back = "UPDATE campaigns_words SET content = :content, row_mac = :row_mac WHERE language = :language"
    with db.write() as session:
        for row in former:
            session.execute(text(put_back), {name: row[name] for name in ("content", "row_mac", "language")})
    assert "was altered" in operator.run(*command[:-2]).output


def test_a_list_stays_while_a_paused_notice_needs_it(operator, queued, look, clock):
    operator.run("pause", SLUG, "--reason", "wrong")
    look()
    operator.live(numbered(21))
    with operator.db.read() as session:
        (entry,) = session.query(AuditEntry).where(AuditEntry.details.contains("notice_goes_on"))
    assert entry.action == "exposure.activate"
    with operator.db.write() as session, pytest.raises(exposure.ListNotifying):
        exposure.destroy(session, incidents.by_slug(session, SLUG).id, 1, clock.now())
    operator.run("stop", SLUG, "--number", "1", "--reason", "wrong")
    with operator.db.write() as session:
        exposure.destroy(session, incidents.by_slug(session, SLUG).id, 1, clock.now())


def test_a_draft_for_another_list_does_not_start(operator):
    operator.live(numbered(2))
    _said, command = draft(operator)
    operator.live(numbered(3))
    assert "Another version of the list is active" in operator.run(*command).output
