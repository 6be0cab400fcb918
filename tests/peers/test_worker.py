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
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import pytest
from sqlalchemy import text

from portal.exposure.emails import CheckAnswer
from portal.incidents import service as incidents
from portal.outbox import service
from tests.processes import ROOT, command, working

LEASE = "6"  # of which a tenth is for delivering, and the rest for the last answer
# One answer in so many comes late, and by so many seconds: the mail is taken, and the worker does not know it
# yet.
HELD, HOLD_SECONDS = 40, 0.1
WORKER = Path(__file__).with_name("short_lease_worker.py")


@dataclass
class Workers:
    """Workers that begin at once, one after the other."""

    orders: IO[str]
    said: IO[str]
    log: Path
    pid: int = 0

    def begin(self):
        self.orders.write("begin\n")
        self.orders.flush()
        self.pid = int(self.said.readline())

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        assert self.said.readline() == "ended\n"

    def wait_until(self, reached, look=0.002, seconds=120):
        end = time.monotonic() + seconds
        while not reached():
            os.kill(self.pid, 0)  # it must still be there
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(look)


@pytest.fixture
def workers(environ, tmp_path, connections):
    environ["PORTAL_MAIL_CONNECTIONS"] = str(connections)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
    log = tmp_path / "worker.log"
    with (
        log.open("ab") as output,
        subprocess.Popen(
            [sys.executable, str(WORKER), LEASE], env=kept | environ, cwd=ROOT, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True,
        ) as nursery,
    ):  # fmt: skip
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        yield Workers(nursery.stdin, nursery.stdout, log)
        os.killpg(nursery.pid, signal.SIGKILL)


@pytest.fixture
def fill(db, worker_vault):
    """Put mails to so many people into the outbox, in the past, so that all are due at once."""

    def put(people):
        with db.write() as session:
            for number in range(people):
                service.enqueue(
                    session, worker_vault, CheckAnswer(), address=f"person{number}@example.com", locale="en",
                    now=datetime.now(UTC) - timedelta(hours=1),
                )  # fmt: skip

    return put


def states(db):
    with db.read() as session:
        return {state: number for state, number in service.counts(session).items() if number}


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
    """Return how many surplus mails arrived or will arrive: accepted by the relay, unknown to any row."""
    with smtplib.SMTP(smtp.host, smtp.port) as relay:
        relay.noop()  # what the dead worker had handed over was read before this
    return len(smtp.messages) - states(db).get("sent", 0)


@pytest.mark.parametrize(
    ("database_url", "people", "kills", "connections"),
    [("sqlite", 1000, 12, 4), pytest.param("postgresql", 500, 5, 2, marks=pytest.mark.postgres)],
    indirect=["database_url"],
)
def test_kills_lose_nobody_and_each_doubles_one_mail_of_a_connection_at_most(
    environ, db, smtp, workers, notice, held, people, kills, connections
):
    chance, doubled = random.Random(1), 0
    for number in range(kills):
        mails, late = len(smtp.messages) + chance.randint(1, 60), len(held)
        workers.begin()
        if number % 2:
            workers.wait_until(lambda mails=mails: len(smtp.messages) >= mails)
        else:  # in the worst moment: the mail is taken, and its answer not yet given
            workers.wait_until(lambda late=late: len(held) > late)
        workers.kill()
        before, doubled = doubled, surplus(db, smtp)
        assert doubled - before <= connections, f"kill {number + 1} doubled {doubled - before} mails"
    assert states(db).keys() - {"sent"}, "the kills came after the work"
    workers.begin()
    workers.wait_until(lambda: states(db) == {"sent": people}, look=0.1)
    copies = defaultdict(list)
    for mail in smtp.messages:
        copies[mail.recipients].append(mail)
    assert set(copies) == {(f"person{number}@example.com",) for number in range(people)}
    assert kills / 2 <= len(smtp.messages) - people <= kills * connections
    for same in copies.values():
        assert len({mail.content for mail in same}) == 1
        assert len({mail.message["Message-ID"] for mail in same}) == 1
    whole = [same[0] for same in copies.values()]
    assert len({mail.message["Message-ID"] for mail in whole}) == people
    assert len({proof_in(mail) for mail in whole}) == people
    told = command(environ, "campaigns")
    assert "The counts add up." in told
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
    assert "worker: stopped" in (tmp_path / "log").read_text()
