"""The worker as a process: killed, asked to end, and left without its database."""

import os
import random
import re
import signal
import smtplib
import subprocess
import sys
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from portal.exposure.emails import CheckAnswer
from portal.incidents import service as incidents
from portal.outbox import service
from tests.processes import ROOT, command, working

LEASE = "2"
# One answer in so many comes late, and by so many seconds: the mail is taken, and the worker does not know it yet.
HELD, HOLD_SECONDS = 40, 0.1
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


@pytest.fixture
def notice(environ, db, tmp_path, people):
    """Notify `people` as an operator does: a list, its import, and the command that writes the mails."""
    now = datetime.now(UTC)
    with db.write() as session:
        incidents.create(session, "november", "The incident", ("Names",), now)
    with db.write() as session:
        incidents.publish(session, "november", now)
    file = tmp_path / "list.csv"
    languages = ("en", "es")
    rows = (f"person{n}@example.com,{n},Person {n},{languages[n % 2]}\n" for n in range(people))
    file.write_text("email,account_ref,name,locale\n" + "".join(rows))
    command(environ, "exposure", "import", "november", file, "--activate")
    command(environ, "campaigns", "notify", "november", "--confirm", str(people))


@pytest.fixture
def held(smtp):
    """Let the relay be late now and then; return the mails whose answers were held."""
    chance, mails = random.Random(2), []

    def hold(mail):
        if chance.randrange(HELD):
            return 0.0
        mails.append(mail)
        return HOLD_SECONDS

    smtp.hold_answer = hold
    return mails


def surplus(db, smtp):
    """How many mails arrived, or will arrive, that nobody needed: all that the relay took and no row knows of."""
    with smtplib.SMTP(smtp.host, smtp.port) as relay:
        relay.noop()  # what the dead worker had handed over was read before this
    return len(smtp.messages) - states(db).get("sent", 0)


@pytest.mark.parametrize(
    ("database_url", "people", "kills"),
    [("sqlite", 2000, 20), pytest.param("postgresql", 500, 5, marks=pytest.mark.postgres)],
    indirect=["database_url"],
)
def test_kills_lose_nobody_and_each_doubles_one_mail_at_most(environ, db, smtp, tmp_path, notice, held, people, kills):
    log = tmp_path / "worker.log"
    chance = random.Random(1)
    end = time.monotonic() + 180

    def wait_until(reached, look=0.002):
        while not reached():
            assert worker.poll() is None, log.read_text()
            assert time.monotonic() < end, f"{states(db)}\n{log.read_text()}"
            time.sleep(look)

    worker, doubled = ready_worker(environ, log), 0
    try:
        for number in range(kills):
            successor = ready_worker(environ, log)
            mails, late = len(smtp.messages) + chance.randint(1, 60), len(held)
            begin(worker)
            if number % 2:
                wait_until(lambda mails=mails: len(smtp.messages) >= mails)
            else:  # in the worst moment: the mail is taken, and its answer not yet given
                wait_until(lambda late=late: len(held) > late)
            worker.kill()
            worker.wait()
            worker, before = successor, doubled
            doubled = surplus(db, smtp)
            assert doubled - before <= 1, f"kill {number + 1} doubled {doubled - before} mails"
        assert states(db).keys() - {"sent"}, "the kills came after the work"
        begin(worker)
        wait_until(lambda: states(db) == {"sent": people}, look=0.1)
    finally:
        worker.kill()
        worker.wait()
    copies = defaultdict(list)
    for mail in smtp.messages:
        copies[mail.recipients].append(mail)
    assert set(copies) == {(f"person{number}@example.com",) for number in range(people)}
    assert kills / 2 <= len(smtp.messages) - people <= kills
    for same in copies.values():
        assert len({mail.content for mail in same}) == 1
        assert len({mail.message["Message-ID"] for mail in same}) == 1
    whole = [same[0] for same in copies.values()]
    assert len({mail.message["Message-ID"] for mail in whole}) == people
    assert len({proof_in(mail) for mail in whole}) == people
    told = command(environ, "campaigns")
    assert "The sum is right." in told
    assert re.search(rf"addresses {people}\b", told)
    assert re.search(rf"sent {people}\b", told)


def proof_in(mail):
    """The code that shows a reader whether we sent this."""
    (code,) = re.findall(r"\b[A-Z2-7]{7}-[A-Z2-7]{7}\b", mail.text)
    return code


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
