"""The queue only wakes: a damaged file is made anew, and one that fails costs a warning and nobody's request."""

import logging
import sqlite3

import pytest

from portal.exposure.emails import CheckAnswer
from portal.outbox import service
from portal.runtime.queue import COALESCE_SECONDS, Queue, fault_of
from tests.processes import working

GARBAGE = b"this was a database once " * 400


@pytest.fixture
def file(tmp_path):
    return tmp_path / "queue.db"


@pytest.fixture
def later(monkeypatch):
    """Let enough time pass between two wake-ups of one name."""
    monkeypatch.setattr("portal.runtime.queue.COALESCE_SECONDS", -COALESCE_SECONDS)


def waiting(file):
    connection = sqlite3.connect(file)
    count = connection.execute("SELECT count(*) FROM task").fetchone()[0]
    connection.close()
    return count


def test_a_damaged_file_is_put_aside_and_made_anew(file, later, caplog):
    file.write_bytes(GARBAGE)
    (file.parent / "queue.db.broken-1").write_bytes(b"an older one")
    queue = Queue(file)
    with caplog.at_level(logging.WARNING):
        queue.wake("deliver")
    assert "made anew" in caplog.text
    (aside,) = file.parent.glob("queue.db.broken-*")
    assert aside.read_bytes() == GARBAGE
    queue.wake("deliver")
    assert waiting(file) == 1
    assert fault_of(file) is None


def test_damage_in_the_middle_of_the_work_is_mended_too(file, later):
    queue = Queue(file)
    queue.wake("deliver")
    queue.huey.storage.close()
    for end in ("-wal", "-shm"):
        file.with_name(f"queue.db{end}").unlink(missing_ok=True)
    file.write_bytes(GARBAGE)
    queue.wake("deliver")
    queue.wake("deliver")
    assert waiting(file) == 1


def test_a_file_that_another_process_made_anew_is_left_in_its_place_and_used(file, later):
    queue = Queue(file)
    queue.wake("deliver")
    for path in list(file.parent.glob("queue.db*")):
        path.unlink()
    Queue(file).wake("answer")
    queue.wake("deliver")
    assert waiting(file) == 2
    assert not list(file.parent.glob("*broken*"))


def test_a_place_that_cannot_be_written_costs_one_warning_and_no_visitor(file, later, caplog):
    file.mkdir()
    queue = Queue(file)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            queue.wake("answer")
    assert caplog.text.count("the worker will look for itself") == 1
    assert "cannot be written" in str(fault_of(file))
    (file / "a file").touch()
    Queue(file / "a file" / "queue.db").wake("answer")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", ["damaged", "a folder"])
def test_the_worker_starts_delivers_and_ends_whatever_the_queue_is(
    environ, db, worker_vault, clock, smtp, file, tmp_path, kind
):
    if kind == "damaged":
        file.write_bytes(GARBAGE)
    else:
        file.mkdir()
    log = tmp_path / "worker.log"
    with working(environ, log) as process:
        with db.write() as session:
            service.enqueue(
                session, worker_vault, CheckAnswer(), address="sam@example.com", locale="en", now=clock.now()
            )
        smtp.wait_for(1)
    assert process.returncode == 0
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_page_that_wakes_the_worker_answers_whatever_the_queue_is(settings, db, clock, web_keys, file):
    from portal.app import create_app
    from tests.visitor import Visitor

    file.write_bytes(GARBAGE)
    app = create_app(settings, db=db, clock=clock, web_keys=web_keys)
    assert Visitor(app).submit("/check/", email="sam@example.com").status_code == 303
