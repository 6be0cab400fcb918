"""Deliver 10,000 mails to a bad relay while workers are killed, and compare the ledger with what arrived.

`python -m bench.ledger [database url]`; a temporary SQLite database without one. The workers' clock runs 60
times as fast, so that an hour's wait takes a minute.
"""

import asyncio
import os
import random
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from subprocess import Popen
from typing import ClassVar

from sqlalchemy import select

from bench.servers import context_of, portal_settings
from portal import app as wiring
from portal.campaigns.emails import Notice
from portal.core.db import new_id
from portal.core.settings import Settings
from portal.crypto import tokens
from portal.outbox import service as outbox
from portal.outbox.models import OutboxDelivered, OutboxMail
from portal.runtime.commands import db as db_command
from portal.runtime.context import Context
from portal.worker import Worker

MAILS, KILLS, CONNECTIONS = 10_000, 20, 4
SPEED = 60
DELAYED, REJECTED, DROPPED = 0.05, 0.01, 0.01
BEGIN = datetime(2026, 11, 23, 9, tzinfo=UTC)
LIMIT_SECONDS = 1800


class FastClock:
    """A clock that all processes share and that runs fast."""

    def now(self) -> datetime:
        """Return the current time."""
        return BEGIN + timedelta(seconds=(time.time() - float(os.environ["LEDGER_BEGIN"])) * SPEED)


class BadRelay(asyncio.Protocol):
    """Delays, rejects and loses a share of the mails; counts what it accepted by recipient."""

    chance = random.Random(1)
    copies: ClassVar[Counter[str]] = Counter()
    drops = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport, self.waiting, self.recipient, self.in_message = transport, b"", b"", False
        transport.write(b"220 bad\r\n")

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while True:
            end = b"\r\n.\r\n" if self.in_message else b"\r\n"
            part, found, rest = self.waiting.partition(end)
            if not found or self.transport.is_closing():
                return
            self.waiting = rest
            self.answer_message() if self.in_message else self.answer_command(part)

    def answer_command(self, line: bytes) -> None:
        replies = {
            b"EHLO": b"250-bad\r\n250 PIPELINING\r\n",
            b"DATA": b"354 go on\r\n",
            b"QUIT": b"221 bye\r\n",
        }
        verb = line[:4].upper()
        reply = replies.get(verb, b"250 fine\r\n")
        if verb == b"RCPT":
            self.recipient = line
            luck = self.chance.random()
            if luck < REJECTED:
                reply, self.recipient = b"550 5.1.1 no such mailbox\r\n", b""
            elif luck < REJECTED + DELAYED:
                reply, self.recipient = b"451 4.3.0 later\r\n", b""
        elif verb == b"DATA":
            self.in_message = bool(self.recipient)
            reply = reply if self.recipient else b"503 no recipient\r\n"
        self.transport.write(reply)

    def answer_message(self) -> None:
        self.in_message = False
        BadRelay.copies[self.recipient.partition(b"<")[2].partition(b">")[0].decode()] += 1
        if self.chance.random() < DROPPED:
            BadRelay.drops += 1
            self.transport.abort()
        else:
            self.transport.write(b"250 taken\r\n")


def main(url: str | None) -> int:
    """Print the ledger; return 1 where it does not add up."""
    port = serve()
    more = {
        "PORTAL_MAIL_URL": f"smtp://127.0.0.1:{port}?tls=none",
        "PORTAL_MAIL_CONNECTIONS": str(CONNECTIONS),
    }
    more |= {"PORTAL_DATABASE_URL": url} if url else {}
    os.environ["LEDGER_BEGIN"] = str(time.time())
    with ExitStack() as stack:
        settings, environ = stack.enter_context(portal_settings(**more))
        context = stack.enter_context(context_of(settings))
        db_command.main(["upgrade"], standalone_mode=False, obj=context)
        vault = context.worker_vault()
        people: dict[bytes, str] = {}
        with context.db.write() as session:
            for number in range(MAILS):
                to, row_id = f"p{number}@postbox.example", new_id()
                people[row_id] = people[tokens.token_hash(vault.authenticity(row_id))] = to
                mail = Notice.sample()
                outbox.enqueue(session, vault, mail, address=to, locale="en", now=BEGIN, row_id=row_id)
        kills, worker, end = 0, start(environ), time.time() + LIMIT_SECONDS
        while (states := counts(context)).keys() & {"queued", "sending"} or waits(context):
            if time.time() > end:
                break
            if kills < KILLS and BadRelay.copies.total() > (kills + 1) * MAILS * 0.9 / KILLS:
                os.kill(worker.pid, signal.SIGKILL)
                worker.wait()
                kills, worker = kills + 1, start(environ)
            time.sleep(0.05)
        worker.terminate()
        worker.wait()
        states = counts(context)
        of_state, moved = ledger(context, people)
    arrived, extra = BadRelay.copies.keys(), BadRelay.copies.total() - len(BadRelay.copies)
    most = BadRelay.drops + kills * CONNECTIONS
    lost, false = of_state["sent"] - arrived, of_state["failed"] & arrived
    missing = set(people.values()) - set().union(*of_state.values())
    print(f"ledger: {states}, {moved} of them in the narrow table; {kills} kills, {BadRelay.drops} drops")
    print(f"arrived: {len(arrived)} of {MAILS}, second copies: {extra} (at most {most})")
    print(f"sent and not arrived: {len(lost)}, failed and arrived: {len(false)}, in no table: {len(missing)}")
    whole = sum(states.values()) == MAILS and states.keys() <= {"sent", "failed", "uncertain"}
    right = whole and moved > MAILS / 2 and extra <= most and kills == KILLS and not lost | false | missing
    print("the ledger equals what arrived" if right else "THE LEDGER IS WRONG")
    return 0 if right else 1


def ledger(context: Context, people: dict[bytes, str]) -> tuple[defaultdict[str, set[str]], int]:
    """Return the people of each state, in both tables, and the number of those in the narrow one."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    with context.db.read() as session:
        moved = session.execute(select(OutboxDelivered.proof_hash, OutboxDelivered.state)).all()
        for key, state in [*session.execute(select(OutboxMail.id, OutboxMail.state)), *moved]:
            found[state].add(people[key])
    return found, len(moved)


def counts(context: Context) -> dict[str, int]:
    """Return the states that mails have."""
    with context.db.read() as session:
        return {state: number for state, number in outbox.counts(session).items() if number}


def waits(context: Context) -> bool:
    """Return whether a mail is to be tried again within two hours; who was lost twice waits for a day."""
    soon = OutboxMail.due_at < FastClock().now() + timedelta(hours=2)
    with context.db.read() as session:
        return session.scalar(select(OutboxMail.id).where(soon).limit(1)) is not None


def start(environ: dict[str, str]) -> Popen[bytes]:
    """Start a worker in its own process."""
    return Popen([sys.executable, "-m", "bench.ledger", "worker"], env={**os.environ, **environ})


def serve() -> int:
    """Run the relay in a thread; return its port."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    server = asyncio.run_coroutine_threadsafe(loop.create_server(BadRelay, "127.0.0.1", 0), loop).result(10)
    return int(server.sockets[0].getsockname()[1])


def work() -> None:
    """Be one worker, until killed."""
    context = Context(Settings.from_env({k: v for k, v in os.environ.items() if k.startswith("PORTAL_")}))
    parts = wiring.worker_parts(context.settings, context.db, FastClock(), context.worker_vault())
    # Ten minutes of this clock after a mail was sent, its row moves, also while workers are killed.
    Worker(parts, [job for job in wiring.SCHEDULE if job.name == "outbox.move_sent"]).run()


if __name__ == "__main__":
    if sys.argv[1:] == ["worker"]:
        work()
    else:
        sys.exit(main(sys.argv[1] if sys.argv[1:] else None))
