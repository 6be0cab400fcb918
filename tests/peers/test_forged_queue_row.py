"""Who can write the queue's file cannot make the worker run anything."""

import os
import pickle
import sqlite3
import time

import pytest

from portal.exposure.emails import CheckAnswer
from portal.outbox import service
from portal.runtime.queue import MessageRefused, Queue
from portal.worker import Worker
from tests import databases
from tests.processes import working


class Shell:
    """What unpickles into a command."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.fixture
def database_url(sqlite_template, tmp_path):
    """The queue is the same with either database."""
    return databases.sqlite_copy(sqlite_template, tmp_path / "portal.db")


def put(file, *rows):
    connection = sqlite3.connect(file)
    with connection:
        for data in rows:
            connection.execute("INSERT INTO task (queue, data, priority) VALUES ('portal', ?, 99)", (data,))
    connection.close()


FORGED = [
    b"", b"{}", b"[]", b"null", b'"deliver"', b'{"task": "os.system"}', b'{"task": ["deliver"]}', b'{"task": null}',
    b"[" * 100_000, b"\xff\xfe", b'{"task": "portal.deliver"}', b"x" * 1_000_000,
]  # fmt: skip


@pytest.mark.parametrize("data", [*FORGED, pickle.dumps(Shell("true"))], ids=lambda data: repr(data[:20]))
def test_only_our_names_are_read(tmp_path, data):
    serializer = Queue(tmp_path / "queue.db").huey.serializer
    with pytest.raises(MessageRefused):
        serializer._deserialize(data)


def test_a_forged_row_is_not_run_and_the_worker_goes_on(
    environ, settings, db, worker_vault, clock, smtp, tmp_path
):
    proof = tmp_path / "it-ran"
    web = Queue(settings.queue_file)
    with db.write() as session:
        service.enqueue(
            session, worker_vault, CheckAnswer(), address="sam@example.com", locale="en", now=clock.now()
        )
    with working(environ, tmp_path / "log") as process:
        smtp.wait_for(1)
        put(settings.queue_file, pickle.dumps(Shell(f"touch {proof}")), *FORGED)
        web.wake("deliver")
        with db.write() as session:
            service.enqueue(
                session, worker_vault, CheckAnswer(), address="kim@example.com", locale="en", now=clock.now()
            )
        smtp.wait_for(2)
        connection = sqlite3.connect(settings.queue_file)
        end = time.monotonic() + 20
        while connection.execute("SELECT count(*) FROM task").fetchone()[0] and time.monotonic() < end:
            time.sleep(0.05)
        left = connection.execute("SELECT count(*) FROM task").fetchone()[0]
        connection.close()
        assert left == 0
        assert process.poll() is None
    assert not proof.exists()


def test_a_message_is_a_name_and_nothing_else(tmp_path):
    queue = Queue(tmp_path / "queue.db")
    queue.wake("deliver")
    connection = sqlite3.connect(tmp_path / "queue.db")
    assert [bytes(row[0]) for row in connection.execute("SELECT data FROM task")] == [b'{"task": "deliver"}']
    connection.close()


def test_the_worker_needs_no_queue_to_find_what_is_due(worker_parts, db, worker_vault, clock, smtp):
    worker = Worker(worker_parts, ())
    threads = worker.start()
    with db.write() as session:
        service.enqueue(
            session, worker_vault, CheckAnswer(), address="sam@example.com", locale="en", now=clock.now()
        )
    smtp.wait_for(1)
    worker.stop()
    for thread in threads:
        thread.join(10)
