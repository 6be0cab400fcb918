"""Measure the longest transaction of every scheduled job, in SQLite with 1,000,000 mails in the outbox.

`BENCH_MAILS=100000` measures fewer.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, islice
from pathlib import Path
from secrets import token_bytes
from statistics import median
from typing import Any

from sqlalchemy import Connection, event, insert, select

from bench.measure import Result
from bench.people import write_list
from bench.servers import context_of, portal_settings
from portal import app as wiring
from portal.accounts.models import AccountSession, FailureCount, SignInWait
from portal.campaigns import service as campaigns
from portal.core.clock import SystemClock
from portal.core.db import Base, Database
from portal.demo import example
from portal.exposure.commands import exposure
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.identity.builtin.models import AccountRow
from portal.identity.builtin.store import BuiltinStore
from portal.incidents import announcing, writing
from portal.incidents import service as incidents
from portal.incidents.writing import Notify, UpdateText
from portal.intake.models import IntakeCap, IntakeReply, IntakeRequest
from portal.outbox.models import OutboxMail
from portal.rotation.models import ReminderChoice
from portal.runtime.context import Context
from portal.runtime.parts import WorkerParts
from portal.subscriptions import service as subscriptions
from portal.subscriptions.service import Contact
from portal.web.limits import RateBucket

MAILS = int(os.environ.get("BENCH_MAILS", "1000000"))
OTHERS = 20_000  # over or due, of every other kind that a job changes
PEOPLE = 1_000  # on the list, subscribed, and with an account and a due reminder
CHUNK = 10_000
LIMIT_SECONDS = 0.05


def run() -> list[Result]:
    """Run each job once, with everything due that it changes."""
    with (
        portal_settings(PORTAL_MAIL_URL="smtp://127.0.0.1:9?tls=none") as (settings, _),
        context_of(settings) as context,
    ):
        example.load(context, new=True)
        parts = wiring.worker_parts(settings, context.db, SystemClock(), context.worker_vault())
        now = parts.clock.now()
        insert_mails(context.db, now)
        _over(context.db, now)
        _people(context, parts, now)
        return [_measured(parts, job) for job in wiring.SCHEDULE]


def _measured(parts: WorkerParts, job: Any) -> Result:
    """Run one job. The longest turn counts by processor time, and the median one by the clock.

    Anything else that the machine does makes single turns longer by the clock; the longest is printed.
    """
    with transactions(parts.db) as turns:
        job.run(parts)
    cpu = max((turn.cpu for turn in turns), default=0.0)
    wall = [turn.wall for turn in turns] or [0.0]
    detail = (
        f"{cpu * 1000:.1f} ms of processor time, the longest of {len(turns)} transactions; "
        f"by the clock {median(wall) * 1000:.1f} ms, the longest {max(wall) * 1000:.1f} ms"
    )
    return Result(f"{job.name} / 50 ms", max(cpu, median(wall)) / LIMIT_SECONDS, detail, most=1.0)


@dataclass(frozen=True)
class Turn:
    """One write transaction, from its lock to the end of its commit: by the clock, and of the processor."""

    wall: float
    cpu: float


@contextmanager
def transactions(db: Database) -> Iterator[list[Turn]]:
    """Yield a list that fills with write transactions."""
    turns: list[Turn] = []

    def begun(connection: Connection) -> None:
        if connection.get_execution_options().get("portal_writes"):
            connection.info["begun"] = (time.perf_counter(), time.thread_time())

    def ended(_raw: object, record: Any) -> None:
        if "begun" in record.info:
            wall, cpu = record.info.pop("begun")
            turns.append(Turn(time.perf_counter() - wall, time.thread_time() - cpu))

    event.listen(db.engine, "begin", begun)
    event.listen(db.engine, "checkin", ended)
    try:
        yield turns
    finally:
        event.remove(db.engine, "begin", begun)
        event.remove(db.engine, "checkin", ended)


def _insert(db: Database, table: type[Base], rows: Iterator[dict[str, Any]]) -> None:
    while chunk := list(islice(rows, CHUNK)):
        with db.write() as session:
            session.connection().execute(insert(Base.metadata.tables[table.__tablename__]), chunk)


def insert_mails(db: Database, now: datetime) -> None:
    """Insert mails of every state: of 10, 5 were sent, 3 wait, 1 failed and 1 may have been sent."""
    batch, month = token_bytes(16), now - timedelta(days=40)
    states = ("sent", "queued", "sent", "failed", "sent", "queued", "sent", "uncertain", "sent", "queued")

    def rows() -> Iterator[dict[str, Any]]:
        for number, state in zip(range(MAILS), islice(_cycle(states), MAILS), strict=True):
            waits, left = state == "queued", state in {"sent", "uncertain"}
            yield {
                "id": token_bytes(16),
                "purpose": "notice",
                "priority": number % 4,
                "state": state,
                "attempts": 1,
                "ambiguous": int(state == "uncertain"),
                "due_at": now + timedelta(seconds=number % 100_000) if waits else None,
                "created_at": month,
                "finished_at": None if waits else month,
                "reason": "smtp-550" if state == "failed" else None,
                "batch": batch,
                "unique_key": token_bytes(16),
                "payload": token_bytes(1052),
                "proof_hash": token_bytes(32) if left else None,
                "proof": token_bytes(288) if left else None,
            }

    _insert(db, OutboxMail, rows())


def _cycle(states: tuple[str, ...]) -> Iterator[str]:
    return (states[number % len(states)] for number in count())


def _over(db: Database, now: datetime) -> None:
    """Insert rows that the clean-ups remove."""
    old, key = now - timedelta(days=100), token_bytes
    request = {"purpose": "check", "state": "failed", "asked_at": old, "attempts": 1, "sealed": key(1088)}
    reply = {"purpose": "check", "data": key(4124), "kept": key(540), "by_code": key(60), "code_tries": 0}
    reply |= {"created_at": old, "expires_at": old, "reusable": True}
    visit = {"account_version": 1, "created_at": old, "seen_at": old, "ends_at": old, "password_tries": 0}
    visit |= {"address": key(284), "device": key(92)}
    makers: tuple[tuple[type[Base], Callable[[], dict[str, Any]]], ...] = (
        (IntakeRequest, lambda: request | {"id": key(16), "lane": 0}),
        (IntakeReply, lambda: reply | {"id": key(16), "token_hash": key(32), "browser": key(32)}),
        (IntakeCap, lambda: {"key": key(16), "record": key(1052), "ends_at": old}),
        (RateBucket, lambda: {"bucket": key(16), "hits": 1, "ends_at": old}),
        (AccountSession, lambda: visit | {"id": key(16), "token_hash": key(32), "account_id": key(16)}),
        (SignInWait, lambda: {"bucket": key(16), "failures": 1, "refuse_until": old, "tried_at": old}),
        (
            FailureCount,
            lambda: {
                "door": key(16),
                "strangers": key(16),
                "devices": key(16),
                "sessions": key(16),
                "forget_at": old,
            },
        ),
    )
    for table, make in makers:
        _insert(db, table, (make() for _ in range(OTHERS)))


def _people(context: Context, parts: WorkerParts, now: datetime) -> None:
    """Activate a list and begin a notice to it, subscribe people to an update, and make reminders due."""
    slug, file = example.incident()["slug"], Path(str(context.db.engine.url.database)).with_name("list.csv")
    write_list(file, PEOPLE)
    exposure.main(["import", slug, str(file), "--activate", "--replace"], standalone_mode=False, obj=context)
    store, vault = BuiltinStore(), parts.vault
    with context.db.write() as session:
        incident = incidents.by_slug(session, slug)
        campaigns.start(session, vault, incident.id, slug, PEOPLE, now)
        row = writing.add_update(
            session, slug, UpdateText("en", "contained", "News", "What we know.", now, Notify.YES), now
        )
        announcing.publish(session, vault, slug, now)
        announcing.sign(session, vault, row)
        for number in range(PEOPLE):
            subscriptions.confirm(session, vault, incident.id, Contact(f"s{number}@postbox.example", "en"))
        password_hash = "$argon2id$v=19$m=64,t=1,p=1$" + "c29tZXNhbHRzb21lc2FsdA$" + "aGFzaA" * 7
        store.add(
            session,
            vault,
            [NewAccount(Profile(f"a{number}@postbox.example"), password_hash) for number in range(PEOPLE)],
            now,
        )
    with context.db.read() as session:
        ids = list(session.scalars(select(AccountRow.id)))
    year = {"months": 3, "counted_from": now - timedelta(days=100), "next_due_at": now - timedelta(days=1)}
    _insert(context.db, ReminderChoice, ({"account_id": account_id} | year for account_id in ids))
