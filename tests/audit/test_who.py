"""Who ran a command is in every entry that it wrote, and the log's list says it."""

import getpass
import json

import pytest
from sqlalchemy import select

from portal.audit import service
from portal.audit.models import AuditEntry

# What an entry says does not depend on the database.
pytestmark = pytest.mark.sqlite
CREATE = ("incidents", "create", "autumn", "--title", "Autumn", "--classes", "Names")


def test_a_command_is_recorded_with_the_system_user_who_ran_it(run, monkeypatch):
    monkeypatch.setattr("portal.audit.staff.Path.read_text", lambda *_arguments, **_options: "4294967295")
    assert run(*CREATE, SUDO_USER="ann").exit_code == 0
    assert (
        run("incidents", "title", "autumn", "Autumn 2026", "--language", "en", SUDO_USER=None).exit_code == 0
    )
    lines = run("audit", "list").stdout.splitlines()
    assert [line.split("  ")[2:5] for line in lines] == [
        ["incidents.title", "autumn", f"by operator {getpass.getuser()}"],
        ["incidents.create", "autumn", "by operator ann"],
    ]
    assert [entry["by"] for entry in json.loads(run("audit", "list", "--json").stdout)] == [
        f"operator {getpass.getuser()}",
        "operator ann",
    ]
    assert "2 entries" in run("audit", "verify").output


def test_what_the_worker_does_on_its_own_names_no_operator(run, db, clock, monkeypatch):
    def act(worker):
        with worker.parts.db.write() as session:
            service.record(session, "mydata.purge", "accounts", {"rows": 1}, clock.now())

    monkeypatch.setattr("portal.worker.Worker.run", act)
    assert run("worker").exit_code == 0
    with db.read() as session:
        assert session.scalars(select(AuditEntry.details)).all() == ['{"rows":1}']
