"""Somebody holds the database's lock: forms are told soon when to try again, and reading goes on."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import cast

import pytest
from sqlalchemy import text

from portal.app import create_app
from portal.core.db import Database
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.identity.service import hasher_for
from tests.open_store import OpenStore
from tests.processes import ROOT
from tests.traces import contents
from tests.visitor import Visitor, hidden

ANA, PASSWORD = "ana@northwind.example", "eleven owls at noon"


@contextmanager
def held_by_another(url: str, table: str) -> Iterator[None]:
    """Hold what writers of the table wait for: on SQLite the one lock."""
    other = Database(url)
    with other.write() as session:
        session.execute(text("SELECT 1" if other.is_sqlite else f"LOCK TABLE {table} IN EXCLUSIVE MODE"))
        yield
    other.dispose()


@pytest.fixture
def visitor(settings, database_url, clock, web_keys) -> Iterator[Visitor]:
    """A visitor of an application with the database that the web server opens."""
    database = Database(database_url, for_web=True)
    app = create_app(settings, db=database, clock=clock, web_keys=web_keys)
    app.test_client_class = Visitor
    yield cast("Visitor", app.test_client())
    database.dispose()


def test_a_form_gets_503_and_nothing_is_stored_while_everybody_reads(visitor, database_url, db, caplog):
    form = hidden(visitor.get("/check/").text) | {"email": "sam@example.com"}
    before = contents(db)
    with held_by_another(database_url, "rate_buckets"):
        refused = visitor.post("/check/", data=form)
        assert [visitor.get(page).status_code for page in ("/", "/check/", "/feed.atom")] == [200] * 3
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "5"
    assert "you can safely send it again" in refused.text
    assert "held the database's lock" in caplog.text
    assert contents(db) == before
    assert visitor.post("/check/", data=form).status_code == 303


def test_every_thread_of_a_web_process_has_a_connection(database_url):
    """16 threads, and two in the background."""
    database = Database(database_url, for_web=True)
    with ExitStack() as threads:
        for _ in range(18):
            session = threads.enter_context(database.read())
            assert session.scalar(text("SELECT 1")) == 1
    database.dispose()


def test_the_page_of_somebody_signed_in_waits_for_no_writer(
    visitor, settings, database_url, db, worker_vault, clock
):
    new = NewAccount(Profile(ANA, "Ana"), hasher_for(settings).hash(PASSWORD))
    with db.write() as session:
        OpenStore().add(session, worker_vault, [new], clock.now())
    visitor.submit("/sign-in/", email=ANA, password=PASSWORD)
    clock.advance(timedelta(minutes=5))  # so that the page stores when it was seen
    with held_by_another(database_url, "account_sessions"):
        assert visitor.get("/account/").status_code == 200
    assert visitor.get("/account/").status_code == 200


def test_a_thread_that_gets_no_connection_is_told_to_come_back(visitor, caplog):
    parts = visitor.application.extensions["portal"]
    form = hidden(visitor.get("/check/").text) | {"email": "sam@example.com"}
    taken = [parts.db.engine.connect() for _ in range(20)]
    try:
        answer = visitor.post("/check/", data=form)
    finally:
        for connection in taken:
            connection.close()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "all connections of this process" in caplog.text


PATIENCE = """
from sqlalchemy import text
from wsgi import database
asked = "PRAGMA busy_timeout" if database.is_sqlite else "SHOW lock_timeout"
for transaction in (database.write_at_once, database.write):
    with transaction() as session:
        print(session.scalar(text(asked)))
"""


def test_the_web_server_waits_two_seconds_for_a_lock(environ, db):
    done = subprocess.run(
        [sys.executable, "-c", PATIENCE], env=environ, cwd=ROOT, capture_output=True, text=True, check=False
    )
    expected = ["100", "2000"] if db.is_sqlite else ["100ms", "2s"]
    assert done.stdout.split() == expected, done.stderr
