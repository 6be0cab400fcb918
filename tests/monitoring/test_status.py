"""`portal status`: one screen, cheap to read, with status 1 exactly where something needs action."""

import io
import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import event, select, text

from portal.campaigns.emails import Notice
from portal.incidents import service as incidents
from portal.incidents.models import Schedule
from portal.intake import service as intake
from portal.monitoring import figures
from portal.outbox import jobs
from portal.outbox import service as outbox
from portal.runtime.command_line import Screen
from portal.runtime.heartbeat import Heartbeat
from portal.worker import drain
from tests.configured import configured

GROWING = ("outbox_mails", "outbox_delivered", "exposure_people", "identity_accounts", "intake_requests")


@pytest.fixture
def status(portal):
    def read(code=0):
        return json.loads(portal("status", "--json", status=code).stdout)

    return read


def enqueue(db, vault, clock, address="ann@northwind.example", **more):
    with db.write() as session:
        outbox.enqueue(session, vault, Notice(), address=address, locale="en", now=clock.now(), **more)


def test_a_portal_that_does_well(well, status, portal):
    seen = status()
    assert seen["needs_action"] == []
    assert seen["incidents"][0]["slug"] == "november"
    (lists,) = seen["lists"]
    assert (lists["number"], lists["people"], lists["addresses"]) == (1, 2, 1)
    assert seen["workers"]["living"] == 1
    assert seen["requests"] == {"waiting": 0, "held": 0, "failed": 0, "oldest_due_at": None}
    said = portal("status").stdout
    assert "list version 1: 2 people, 1 address, imported 0 seconds ago" in said
    assert said.endswith("Nothing needs action.\n")
    assert "\x1b" not in said


def test_what_a_stolen_web_server_wrote_does_not_move_the_cursor(well, db, portal):
    with db.write() as session:
        session.execute(text("UPDATE worker_heartbeats SET version = :forged"), {"forged": "1\x1b[2J\x9b2J"})
    said = portal("status").stdout
    assert "1 worker alive, version 1?[2J?2J" in said
    assert "\x1b" not in said


class TestNeedsAnAct:
    def test_a_worker_that_is_gone(self, well, status, db):
        with db.write() as session:
            session.scalars(select(Heartbeat)).one().seen_at -= timedelta(minutes=5)
        (act,) = status(1)["needs_action"]
        assert re.match("No worker has been seen since .* UTC; start it with: ", act)

    def test_a_pause_that_somebody_forgot(self, well, status, portal):
        portal("outbox", "pause", "--reason", "wrong subject")
        seen = status(1)
        assert seen["mails"]["paused"] == "wrong subject"
        assert "portal outbox resume" in seen["needs_action"][0]

    def test_a_published_incident_without_a_list(self, lists, heart, status):
        heart.beat()
        assert "portal exposure import november FILE" in status(1)["needs_action"][0]

    def test_but_no_draft_and_nothing_resolved(self, well, status, db, clock):
        with db.write() as session:
            incidents.create(session, "draft", "A draft", ("Names",), clock.now())
        assert status()["needs_action"] == []

    def test_a_list_that_was_activated_without_the_keys(self, well, status, db):
        with db.write() as session:
            session.execute(text("UPDATE exposure_active SET voucher = :other"), {"other": bytes(32)})
        (act,) = status(1)["needs_action"]
        assert act.startswith("The activation of the list of november was altered")

    def test_a_database_of_another_version(self, well, status, db, portal):
        with db.write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = '0022_update_words'"))
        seen = status(1)
        assert seen["database"] == "not at this version"
        assert "requests" not in seen
        assert "portal db upgrade" in portal("status", status=1).stdout


def test_who_cannot_read_the_workers_keys_is_told_what_is_not_seen(well, status, context, tmp_path):
    context.settings = configured(context.settings, keys={"worker_file": tmp_path / "none.json"})
    seen = status()
    assert "the worker's keys, which this user cannot read" in " ".join(seen["not_seen"])


def test_mails_by_stream_and_by_how_they_ended(
    well, heart, status, db, worker_vault, worker_parts, clock, smtp
):
    smtp.answer_recipient = lambda address: "550 no" if "bob" in address else "250 OK"
    enqueue(db, worker_vault, clock)
    enqueue(db, worker_vault, clock, "bob@northwind.example")
    waiting = status()["mails"]
    assert waiting["waiting"] == {"requested": 0, "security": 0, "notices": 2, "updates": 0}
    assert waiting["oldest_waiting_at"] == "2026-11-23T09:00:00Z"
    drain(worker_parts)
    assert status()["mails"]["ended"] == {"sent": 1, "failed": 1, "uncertain": 0, "bounced": 0}
    worker_parts.clock.at += timedelta(hours=1)
    jobs.move_sent(worker_parts)
    heart.beat()
    assert status()["mails"]["ended"]["sent"] == 1


@pytest.mark.sqlite  # a plan of its own; PostgreSQL chooses by the sizes of tables
def test_no_table_of_people_is_read_from_end_to_end(well, db, clock, worker_vault):
    enqueue(db, worker_vault, clock)
    statements = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        statements.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    figures.collect(db, clock.now())
    event.remove(db.engine, "before_cursor_execute", note)
    plans: list[str] = []
    with db.engine.connect() as connection:
        for statement, parameters in statements:
            if statement.startswith("SELECT"):
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans.extend(row[-1] for row in rows)
    assert any("ix_outbox_mails_due" in plan for plan in plans)
    assert [plan for plan in plans if re.match(rf"SCAN ({'|'.join(GROWING)})$", plan)] == []


def test_a_count_ends_where_it_would_take_long(well, portal, db, web_vault, clock, monkeypatch):
    monkeypatch.setattr(figures, "MOST", 3)
    monkeypatch.setattr("portal.monitoring.status.MOST", 3)
    with db.write() as session:
        for _ in range(5):
            intake.submit(session, web_vault, "check", {"email": "ann@northwind.example"}, clock.now())
    assert "waiting 3 or more, held 0, failed 0" in portal("status").stdout


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("no_colour", [False, True])
def test_a_terminal_gets_colours_unless_it_wants_none_and_no_line_is_too_long(monkeypatch, no_colour):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_colour:
        monkeypatch.setenv("NO_COLOR", "1")
    screen = Screen()
    screen.line("[bold] is no markup, and :smile: no picture. " * 4, "red")
    said = terminal.getvalue()
    assert ("\x1b[31m" in said) is not no_colour
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    assert "[bold] is no markup, and :smile: no picture." in plain
    assert max(len(line) for line in plain.splitlines()) <= 80


def test_a_promise_and_a_publication_at_a_set_time_are_shown_and_missed(well, status, portal, db, clock):
    at = clock.now() + timedelta(hours=2)
    with db.write() as session:
        incident = incidents.by_slug(session, "november")
        incident.more_by = at
        session.add(Schedule(incident_id=incident.id, at=at, content="{}", row_mac=bytes(32)))
    said = portal("status").stdout
    assert "promised: more by 2026-11-23 11:00 UTC" in said
    assert "drafts are published at 2026-11-23 11:00 UTC" in said
    clock.at = at + timedelta(minutes=3)
    acts = status(1)["needs_action"]
    assert any(
        act.startswith("november was not published at 2026-11-23 11:00 UTC (nobody tried).") for act in acts
    )
    assert any(act.startswith("november promised more by 2026-11-23 11:00 UTC.") for act in acts)
