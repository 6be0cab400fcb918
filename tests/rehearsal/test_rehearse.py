"""`portal rehearse` as an operator runs it before the day: a copy, and nothing beside it changes."""

import os
import signal
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from portal.core.db import Database
from portal.core.settings import Settings
from portal.demo.mailbox import MailboxStore
from portal.exposure.emails import CheckAnswer
from portal.outbox import service as outbox
from portal.rehearsal import copying
from portal.rehearsal.arrivals import Arrivals
from portal.rehearsal.commands import environ_of
from portal.rehearsal.steps import Rehearsal, Stopped
from portal.rehearsal.visit import Visitor
from tests.commands import context, portal
from tests.processes import PORTAL, ROOT, free_port

__all__ = ["context", "portal"]

STATEMENT = """\
---
title: On 28 October a thief copied our customers’ names and passwords
language: en
signed_by: Ana Ruiz
role: Managing director
---
We let you down, and we are sorry.

## What happened

Someone signed in with a stolen password on 28 October 2026.

## What information was involved

Your name, your email address and your password.

## What we are doing

We closed the gap the thief used, and we changed every key.

## What you can do

[Check your address](/check/), and choose a new password.

## For more information

Call us on +1 555 0100.
"""
LIST = """\
email,account_ref,name,data_classes
ana@example.com,1,Ana,Names;Passwords
family@example.com,2,Bo,Names
family@example.com,3,Cy,Names
dee@example.com,4,Dee,
gone@example.com,5,Eve,Names
"""
LEFT_OUT = "email,account_ref\ngone@example.com,5\n"


@pytest.fixture
def temporary(tmp_path):
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


@pytest.fixture
def drafted(environ, run, tmp_path):
    """An incident that nobody has published, a list that nobody has activated, and one account."""
    files = {"statement.md": STATEMENT, "list.csv": LIST, "left-out.csv": LEFT_OUT}
    hashed = PasswordHasher(1, 64, 1).hash("one old password of hers")
    files["accounts.csv"] = f'email,password_hash,account_ref\nana@example.com,"{hashed}",1\n'
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    for words in (
        ("incidents", "create", "november", "--title", "November", "--classes", "Names;Passwords"),
        ("incidents", "statement", "november", str(tmp_path / "statement.md")),
        (
            "exposure",
            "import",
            "november",
            str(tmp_path / "list.csv"),
            "--except",
            str(tmp_path / "left-out.csv"),
        ),
        ("accounts", "import", str(tmp_path / "accounts.csv")),
    ):
        result = run(*words)
        assert result.exit_code == 0, result.output
    return environ


def rehearsing(environ, temporary, *arguments):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
    return subprocess.Popen(
        [PORTAL, "rehearse", "november", "--port", str(free_port()), *arguments],
        env=kept | environ | {"TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"}, cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def everything(db):
    """What the real database holds of an incident's course."""
    tables = ("incidents", "incidents_statements", "exposure_active", "outbox_mails", "reset_requirements")
    with db.read() as session:
        return [session.execute(text(f"SELECT * FROM {name} ORDER BY 1")).all() for name in tables]


def test_the_whole_incident_on_a_copy(drafted, temporary, db, smtp):
    before = everything(db)
    with rehearsing(drafted, temporary, "--stay") as process:
        said = []
        assert process.stdout is not None
        for line in process.stdout:
            said.append(" ".join(line.split()))
            if "Stop with Ctrl-C" in line:
                break
        assert process.poll() is None, said
        (copy,) = temporary.iterdir()
        assert copy.stat().st_mode & 0o777 == 0o700
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) >= 2
        process.send_signal(signal.SIGTERM)
        process.wait(40)
    assert process.returncode == 0, said
    assert "published: statement, version 1 (en)" in said
    assert "newly required 1" in said
    assert "addresses on the list 4" in said
    assert "got the notice once 3" in said
    assert "got it twice or more 0" in said
    assert "left out on request 1" in said
    assert "missed 0" in said
    assert [line for line in said if line.startswith(("ok", "note", "WRONG"))] == [
        "ok the link in the notice shows the answer",
        "ok the form mails an answer",
        "ok a new password is chosen, and signs in",
    ]
    assert "The rehearsal went through." in said
    assert not any("@" in line for line in said)
    assert smtp.messages == []
    assert everything(db) == before
    with db.read() as session:
        assert session.scalars(text("SELECT action FROM audit_entries")).all().count("rehearse") == 1
    assert list(temporary.iterdir()) == []
    assert [child for child in children if Path(f"/proc/{child}").exists()] == []


class TestWhatIsFound:
    """The comparison of the list with what arrived, without processes."""

    @pytest.fixture
    def rehearsal(self, drafted, context, temporary):
        context.clock.at = datetime.now(UTC)  # later than what the commands stored
        return Rehearsal(context, "november", Arrivals(MailboxStore(temporary / "mailbox.db")))

    def begin(self, rehearsal):
        rehearsal.publish(())
        rehearsal.activate(None, ())
        rehearsal.notify()

    def test_an_address_that_got_nothing(self, rehearsal, capsys):
        self.begin(rehearsal)
        rehearsal.arrivals.notices.update(["ana@example.com", "dee@example.com"])
        rehearsal.compare()
        assert rehearsal.faults == ["addresses that got no notice: 1"]
        assert "family@example.com" not in capsys.readouterr().out

    def test_an_address_that_got_it_twice(self, rehearsal):
        self.begin(rehearsal)
        rehearsal.arrivals.notices.update(["ana@example.com", "dee@example.com", "family@example.com"])
        rehearsal.arrivals.notices.update(["dee@example.com"])
        rehearsal.compare()
        assert rehearsal.faults == ["addresses that got the notice more than once: 1"]

    def test_a_row_of_the_list_that_does_not_open(self, rehearsal, db):
        self.begin(rehearsal)
        with db.write() as session:
            first = "(SELECT max(person_key) FROM exposure_people WHERE fold_index = "
            first += "(SELECT fold_index FROM exposure_people GROUP BY fold_index HAVING count(*) = 2))"
            spoil = text(f"UPDATE exposure_people SET blob = :blob WHERE person_key = {first}")
            session.execute(spoil, {"blob": bytes(256)})
        rehearsal.arrivals.notices.update(["ana@example.com", "dee@example.com", "family@example.com"])
        rehearsal.compare()
        assert rehearsal.faults == ["rows of the list that do not open: 1; import the list again"]

    def test_an_incident_without_a_list(self, rehearsal, portal, capsys):
        portal("incidents", "create", "empty", "--title", "Empty", "--classes", "Names")
        rehearsal.slug = "empty"
        with pytest.raises(Stopped):
            rehearsal.activate(None, ())
        assert "portal exposure import empty FILE" in capsys.readouterr().out


def test_what_waits_for_the_real_worker_stays_out_of_the_copy(db, worker_vault, tmp_path):
    now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    with db.write() as session:
        for state in ("sent", "sending", "queued"):
            outbox.enqueue(
                session, worker_vault, CheckAnswer(), address="a@example.com", locale="en", now=now
            )
            session.execute(text("UPDATE outbox_mails SET state = :to WHERE state = 'queued'"), {"to": state})
        session.execute(text("INSERT INTO mail_pauses VALUES ('all', 'a wrong date', '2026-11-23 09:00:00')"))
    copying.copy(db, tmp_path / "copy.db")
    copied = Database(f"sqlite:///{tmp_path}/copy.db")
    with copied.read() as session:
        assert session.scalars(text("SELECT state FROM outbox_mails")).all() == ["sent"]
        assert session.scalars(text("SELECT name FROM mail_pauses")).all() == []
    copied.dispose()


def test_the_mailbox_keeps_few_mails_and_counts_all(tmp_path):
    store = MailboxStore(tmp_path / "mailbox.db")
    arrivals = Arrivals(store)
    notice = b"Subject: x\r\n\r\nhttp://localhost:8100/check/not=\r\nice/abcdefghijklmnopqrstuvwxyz/\r\n"
    for number in range(50):
        arrivals.add([f"person{number}@example.com"], notice)
    assert len(store.newest()) == 20
    assert len(arrivals.notices) == 50
    arrivals.watch("person49@example.com")
    arrivals.add(["person49@example.com"], notice)
    assert len(store.newest()) == 21
    assert arrivals.notices["person49@example.com"] == 2


@pytest.mark.parametrize(("stays", "page"), [(False, False), (True, True)])
def test_other_users_of_the_machine_read_no_mails_unless_asked(context, tmp_path, monkeypatch, stays, page):
    monkeypatch.setenv("PORTAL_DEMO_MAILBOX", str(tmp_path / "another.db"))
    environ = environ_of(context.settings, tmp_path, 8100, 2525, mailbox=stays)
    assert environ.get("PORTAL_DEMO_MAILBOX") == (str(tmp_path / "mailbox.db") if page else None)


def test_a_rehearsal_locks_no_password_in_the_companys_own_store(context, tmp_path, monkeypatch):
    for name, value in {
        "STORE": "http",
        "HTTP_URL": "https://shop.example",
        "HTTP_SECRET_FILE": "/x",
    }.items():
        monkeypatch.setenv(f"PORTAL_IDENTITY_{name}", value)
    own = replace(context.settings, identity=replace(context.settings.identity, store="http"))
    environ = environ_of(own, tmp_path, 8100, 2525, mailbox=False)
    stores = {name: value for name, value in environ.items() if name.startswith("PORTAL_IDENTITY_")}
    assert stores == {"PORTAL_IDENTITY_STORE": "builtin"}


def test_a_rehearsal_has_no_console_and_asks_for_no_second_person(context, tmp_path, monkeypatch):
    monkeypatch.setenv("PORTAL_CLI_APPROVAL", "required")
    monkeypatch.setenv("PORTAL_CONSOLE_URL", "https://console.northwind.example")
    environ = environ_of(context.settings, tmp_path, 8100, 2525, mailbox=False)
    console = Settings.from_env(environ).console
    assert (console.url, console.commands_need_approval) == ("", False)


def test_no_proxy_sees_addresses_and_links(monkeypatch):
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.path.encode())

        def log_message(self, *_):
            pass

    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        site = f"http://127.0.0.1:{server.server_port}"
        assert Visitor(site).open(f"{site}/check/").html == "/check/"
