"""The worker as a process: killed, asked to end, and left without its database."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from portal.exposure.emails import CheckAnswer
from portal.outbox import service
from tests.processes import ROOT, working

KILLS = 20
PEOPLE = 2000
LEASE = "2"
WORKER = Path(__file__).with_name("short_lease_worker.py")


def ready_worker(environ, log):
    """Start a worker that waits for a word before it begins."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, str(WORKER), LEASE], env=kept | environ, cwd=ROOT,
            stdin=subprocess.PIPE, stdout=output, stderr=output, text=True,
        )  # fmt: skip


@pytest.fixture
def fill(db, worker_vault):
    """Put mails to so many people into the outbox, in the past, so that all are due at once."""

    def put(people):
        with db.write() as session:
            for number in range(people):
                service.enqueue(
                    session, worker_vault, CheckAnswer(), address=f"person{number}@example.com", locale="en",
                    now=datetime(2026, 11, 23, 9, 0, tzinfo=UTC),
                )  # fmt: skip

    return put


def states(db):
    with db.read() as session:
        return {state: number for state, number in service.counts(session).items() if number}


def begin(worker):
    worker.stdin.write("begin\n")
    worker.stdin.close()


def link(mail):
    return re.findall(r"http://localhost:8000/\S+", mail.text)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_twenty_kills_lose_nobody_and_double_at_most_one_mail_each(environ, db, fill, smtp, tmp_path):
    fill(PEOPLE)
    log = tmp_path / "worker.log"
    chance = random.Random(1)
    end = time.monotonic() + 180
    worker, kills = ready_worker(environ, log), 0
    try:
        while kills < KILLS:
            successor = ready_worker(environ, log)
            wanted = len(smtp.messages) + chance.randint(1, PEOPLE // KILLS - 20)
            begin(worker)
            while len(smtp.messages) < wanted:
                assert worker.poll() is None, log.read_text()
                assert time.monotonic() < end, f"{states(db)}\n{log.read_text()}"
                time.sleep(0.002)
            worker.kill()
            worker.wait()
            worker, kills = successor, kills + 1
        begin(worker)
        while states(db) != {"sent": PEOPLE}:
            assert time.monotonic() < end, f"{states(db)}\n{log.read_text()}"
            time.sleep(0.1)
    finally:
        worker.kill()
        worker.wait()
    assert kills == KILLS
    served = Counter(mail.recipients[0] for mail in smtp.messages)
    assert set(served) == {f"person{number}@example.com" for number in range(PEOPLE)}
    assert sum(served.values()) - PEOPLE <= KILLS
    doubled = [address for address, times in served.items() if times > 1]
    for address in doubled:
        copies = smtp.to(address)
        assert len({mail.message["Message-ID"] for mail in copies}) == 1
        assert len({mail.content for mail in copies}) == 1
        assert len({tuple(link(mail)) for mail in copies}) == 1
    assert len({mail.message["Message-ID"] for mail in smtp.messages}) == PEOPLE
    assert len({link(mail)[0] for mail in smtp.messages}) == PEOPLE


@pytest.mark.parametrize("word", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_it_finishes_what_it_began(environ, db, fill, smtp, tmp_path, word):
    fill(300)
    with working(environ, tmp_path / "log") as process:
        smtp.wait_for(20)
        process.send_signal(word)
        assert process.wait(20) == 0
    sent = states(db)["sent"]
    assert len(smtp.messages) == sent < 300
    assert states(db) == {"sent": sent, "queued": 300 - sent}
    with db.read() as session:
        assert session.scalar(text("SELECT max(attempts) FROM outbox_mails WHERE state = 'queued'")) == 0
    assert "the worker has stopped" in (tmp_path / "log").read_text()
