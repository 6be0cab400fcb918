"""Measure what a company's own store adds to a reset, and whether a sign-in's time tells who is known to it.

`python -m bench external`. The store `sql` on a table of SQLite, with hashes of five systems at their usual
costs; resets also through `http`, with the shipped example as the company's server. A reset takes the form's
own time and the worker's; the store's time is that of the same calls, one after the other. Neither has the
time until worker and browser ask again. Of a sign-in the time of the form is compared, and the tick at which
the verdict is shown.
"""

import http.client
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from sqlalchemy import ColumnElement, func, select

from bench import company
from bench.company import FORMATS, Browser, environ_of, fill, hidden, worker
from bench.measure import Result
from bench.servers import context_of, portal_settings, serving
from bench.timing import GROUPS, MOST_ABOVE, ask, distance
from portal.core.db import Database, new_id
from portal.crypto.vault import WorkerVault
from portal.identity import state
from portal.identity.account import Account, Profile
from portal.identity.ports import ExternalStore, StoreUnavailable, Verdict
from portal.identity.sealed.models import SealedJob, WorkerKey
from portal.identity.sealed.process_key import ProcessKey
from portal.identity.sealed.service import FIRST_TICK, TICK
from portal.identity.service import external_store
from portal.reset import service
from portal.reset.emails import PURPOSE, ResetLink
from portal.runtime.commands import db
from portal.runtime.context import Context

MOST_MILLISECONDS = 20
# In each of three groups. Those with the first of the formats choose a new password before.
TRIES = 200
MOST_AT_ONCE = 8
WAIT_SECONDS = 60
# What is measured lies in the rows. Looking for it more often would take the cores from what is measured.
LOOK_SECONDS = 0.05


def run() -> list[Result]:
    """Measure resets, then sign-ins with the worker at work, then the form alone."""
    with TemporaryDirectory(prefix="portal-bench-") as name:
        known = fill(Path(name), TRIES)
        with _portal(environ_of(Path(name))) as (port, context, environ):
            with worker(environ):
                until(lambda: _rows(context.db, WorkerKey) == 1)
                through_sql = _resets("SQL", port, context, known[:: len(FORMATS)])
                shown = _shown(port, context.db, known)
            with _nobody_answers(context):
                form = _form(port, known)
    with (
        company.serving(TRIES // len(FORMATS)) as (leading, people),
        _portal(leading) as (port, context, environ),
        worker(environ),
    ):
        until(lambda: _rows(context.db, WorkerKey) == 1)
        until(lambda: _is_there(external_store(context.settings), people[0]))
        through_http = _resets("HTTP", port, context, people)
    return [through_sql, through_http, shown, form]


@contextmanager
def _portal(leading: dict[str, str]) -> Iterator[tuple[int, Context, dict[str, str]]]:
    """Serve a portal with a company's store; yield its port, its context and its environment."""
    with (
        portal_settings(
            PORTAL_ARGON2="m=47104,t=1,p=1", PORTAL_RATE_SIGN_IN_IP="100000000 per hour", **leading
        ) as (settings, environ),
        context_of(settings) as context,
    ):
        db.main(("upgrade",), standalone_mode=False, obj=context)
        with serving("wsgi:app", environ) as port:
            yield port, context, environ


def _is_there(store: ExternalStore, address: str) -> bool:
    try:
        return bool(store.find([address]))
    except StoreUnavailable:
        return False


def until(reached: Callable[[], bool]) -> None:
    """Wait until something is so. Raises TimeoutError."""
    end = time.monotonic() + WAIT_SECONDS
    while not reached():
        if time.monotonic() > end:
            raise TimeoutError("the worker did not come to it")
        time.sleep(LOOK_SECONDS)


def _resets(through: str, port: int, context: Context, people: list[str]) -> Result:
    """Let every second person choose a new password, and call the store alone for the others, in turn."""
    store, vault = external_store(context.settings), context.worker_vault()
    form, work, own, looks = [], [], [], []
    for number, address in enumerate(people):
        password = f"sunlit marble otter {number}"
        (entry,) = store.find([address])
        if number % 2:
            own.append(_own(store, entry.id, password))
            continue
        browser = Browser(port)
        page = browser.get(f"/reset/{_link(context, vault, store.name, entry.id, address)}/")
        begin = time.perf_counter()
        status, _, _ = browser.ask("POST", "/reset/choose/", **hidden(page) | {"password": password})
        form.append(time.perf_counter() - begin)
        browser.close()
        if status != http.client.SEE_OTHER:
            raise RuntimeError(f"a new password was answered with {status}")
        until(lambda: _rows(context.db, SealedJob, SealedJob.answered_at.is_(None)) == 0)
        _, asked_at, claimed_at, answered_at = _jobs(context.db)[-1]
        work.append((answered_at - claimed_at).total_seconds())
        looks.append((claimed_at - asked_at).total_seconds())
        if store.verify(entry.id, password) is not Verdict.FITS:
            raise RuntimeError("a new password was not stored")
    above = (median(map(sum, zip(form, work, strict=True))) - median(own)) * 1000
    detail = (
        f"the store {median(own) * 1000:.0f} ms, the form {median(form) * 1000:.1f} ms, "
        f"the worker's job {median(work) * 1000:.0f} ms; it began after {median(looks) * 1000:.0f} ms"
    )
    return Result(
        f"milliseconds of a reset through {through} above the store's", above, detail, most=MOST_MILLISECONDS
    )


def _own(store: ExternalStore, store_id: str, password: str) -> float:
    """Return how long the calls of a reset take."""
    begin = time.perf_counter()
    store.get([store_id])
    store.verify(store_id, password)
    store.set_password(store_id, password)
    if store.capabilities.end_sessions and not store.capabilities.change_ends_sessions:
        store.end_sessions([store_id])
    return time.perf_counter() - begin


def _link(context: Context, vault: WorkerVault, store: str, store_id: str, address: str) -> str:
    """Prepare a mailed link, and return its token."""
    row_id = new_id()
    with context.db.write() as session:
        service.mail_link(
            session,
            vault,
            ResetLink(),
            account=Account(state.account_id(vault, store, store_id), store),
            profile=Profile(address, "Ada"),
            locale="en",
            now=context.clock.now(),
            row_id=row_id,
            store_id=store_id,
        )
    return vault.token(PURPOSE, row_id)


def _shown(port: int, database: Database, known: list[str]) -> Result:
    """Try to sign in with wrong passwords, a few at once; compare the ticks at which verdicts are shown."""
    ticks: dict[str, list[float]] = {group: [] for group in GROUPS}
    slowest: dict[str, list[float]] = {group: [] for group in GROUPS}
    tries = _mixed(known, TRIES)
    browser = Browser(port)
    fields = hidden(browser.get("/sign-in/"))
    for begin in range(0, len(tries), MOST_AT_ONCE):
        before = {job for job, *_ in _jobs(database)}
        some = tries[begin : begin + MOST_AT_ONCE]
        groups: dict[bytes, str] = {}
        for group, address in some:
            status, _, _ = browser.ask(
                "POST", "/sign-in/", **fields | {"email": address, "password": "wrong"}
            )
            if status != http.client.SEE_OTHER:
                raise RuntimeError(f"/sign-in/ answered {status}")
            (job,) = {job for job, *_ in _jobs(database)} - before - groups.keys()
            groups[job] = group
        until(lambda: _rows(database, SealedJob, SealedJob.answered_at.is_(None)) == 0)
        for job, asked_at, _, answered_at in _jobs(database):
            if job in groups:
                ticks[groups[job]].append(max(FIRST_TICK, -((asked_at - answered_at) // TICK)))
                slowest[groups[job]].append((answered_at - asked_at).total_seconds())
    browser.close()
    between = distance(ticks["known"], ticks["unknown"])
    within = distance(ticks["unknown"], ticks["other unknown"])
    stores = distance(slowest["known"], slowest["unknown"])
    detail = (
        f"known and unknown {between:.4f}, two unknown groups {within:.4f}; "
        f"{stores:.4f} of the store's own times, which nobody sees"
    )
    return Result("tick of a sign-in's verdict, distance above", between - within, detail, most=MOST_ABOVE)


def _form(port: int, known: list[str]) -> Result:
    times = ask(port, "/sign-in/", "&password=a+wrong+password", known)
    between = distance(times["known"], times["unknown"])
    within = distance(times["unknown"], times["other unknown"])
    detail = f"known and unknown {between:.4f}, two unknown groups {within:.4f}"
    return Result("time of /sign-in/ with SQL, distance above", between - within, detail, most=MOST_ABOVE)


def _mixed(known: list[str], number: int) -> list[tuple[str, str]]:
    """Return tries of known and unknown addresses, in a random order."""
    chance = random.Random(7)
    unknown = [f"nobody{n}@postbox.example" for n in range(2 * number)]
    groups = zip(GROUPS, (known[:number], unknown[:number], unknown[number:]), strict=True)
    tries = [(group, address) for group, addresses in groups for address in addresses]
    chance.shuffle(tries)
    return tries


@contextmanager
def _nobody_answers(context: Context) -> Iterator[None]:
    """Be a worker process that publishes its key and comes to no job: its hashing would take the cores."""
    key, ended = ProcessKey(context.worker_vault()), threading.Event()

    def beat() -> None:
        while not ended.wait(2):
            publish()

    def publish() -> None:
        with context.db.write() as session:
            key.publish(session, context.clock.now())

    publish()
    beats = threading.Thread(target=beat)
    beats.start()
    try:
        yield
    finally:
        ended.set()
        beats.join()


def _rows(database: Database, table: type[SealedJob | WorkerKey], *which: ColumnElement[bool]) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table).where(*which)) or 0


def _jobs(database: Database) -> list[tuple[bytes, datetime, datetime, datetime]]:
    """Return each job's id and when it was asked for, begun and answered, if it was; the oldest first."""
    job = SealedJob
    with database.read() as session:
        rows = session.execute(
            select(job.id, job.asked_at, job.claimed_at, job.answered_at).order_by(job.asked_at)
        )
        return [(bytes(row[0]), row[1], row[2] or row[1], row[3] or row[1]) for row in rows]
