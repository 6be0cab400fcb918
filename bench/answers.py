"""Measure how fast one worker answers a check, and 5,000 at once, mails included, and the pages meanwhile."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import token_hex
from statistics import median, quantiles
from urllib.request import urlopen

from bench.measure import Result
from bench.servers import ROOT, context_of, portal_settings, serving
from bench.sink import NAME, sink
from portal.core.clock import SystemClock
from portal.core.db import Database
from portal.crypto import tokens
from portal.crypto.vault import WebVault
from portal.demo import example
from portal.intake import service as intake
from portal.outbox import service as outbox
from portal.outbox.models import SENT

CHECKS = 5000
LEAST_PER_SECOND = 40
LONGEST_SECONDS = 600
CALM = 9
MOST_CALM_SECONDS = 1
PAGES = 300
# A page is fast enough at three times its idle time, or at 20 ms.
MOST_TIMES, FINE_SECONDS = 3, 0.02
HASHES = 100
LANES = 256


def run() -> list[Result]:
    """Submit the checks, start a worker, and ask for the front page meanwhile."""
    with ExitStack() as stack:
        port = stack.enter_context(sink())
        settings, environ = stack.enter_context(
            portal_settings(PORTAL_MAIL_URL=f"smtp://127.0.0.1:{port}?tls=none")
        )
        context = stack.enter_context(context_of(settings))
        example.load(context, new=True)
        _submit(context.db, context.worker_vault())
        before = _sent(context.db)
        web = stack.enter_context(serving("wsgi:app", environ))
        stretching = _stretching_per_second()
        idle = _page_seconds(web)
        with _worker(environ):
            begin = time.perf_counter()
            busy = _page_seconds(web)
            while (answered := _sent(context.db) - before) < CHECKS:
                if time.perf_counter() - begin > LONGEST_SECONDS:
                    break
                time.sleep(0.25)
            per_second = answered / (time.perf_counter() - begin)
            calm = _calm_seconds(context.db, context.worker_vault())
    detail = (
        f"{per_second:.0f}/s; stretching the code alone, on all cores, {stretching:.0f}/s; the sink: {NAME}"
    )
    pages_ratio = busy / max(idle, FINE_SECONDS / MOST_TIMES)
    pages = f"p95 {busy * 1000:.1f} ms meanwhile, {idle * 1000:.1f} ms idle; fine below 20 ms too"
    return [
        Result(
            "one check, mail included / a second",
            calm / MOST_CALM_SECONDS,
            f"{calm * 1000:.0f} ms",
            most=1,
        ),
        Result("5,000 checks at once / 40 a second", per_second / LEAST_PER_SECOND, detail, least=1),
        Result("front page while checks are answered / idle", pages_ratio, pages, most=MOST_TIMES),
    ]


def _calm_seconds(db: Database, vault: WebVault) -> float:
    """Return the median of what one check takes that comes alone, at any moment between two looks."""
    seconds = []
    for number in range(CALM):
        time.sleep(1 + number / 17)
        before, begin = _sent(db), time.perf_counter()
        _submit(db, vault, [CHECKS + number])
        while _sent(db) == before and time.perf_counter() - begin < LONGEST_SECONDS:
            time.sleep(0.005)
        seconds.append(time.perf_counter() - begin)
    return median(seconds)


def _submit(db: Database, vault: WebVault, numbers: Iterable[int] = range(CHECKS)) -> None:
    now = SystemClock().now()
    with db.write() as session:
        for number in numbers:
            fields = {"email": f"p{number}@postbox.example", "language": "en", "browser": token_hex(16)}
            intake.submit(session, vault, "check", fields, now, lane=number % LANES)


def _sent(db: Database) -> int:
    with db.read() as session:
        return outbox.counts(session)[SENT]


def _stretching_per_second() -> float:
    begin = time.perf_counter()
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for _ in pool.map(lambda number: tokens.stretched(f"code{number}", "browser"), range(HASHES)):
            pass
    return HASHES / (time.perf_counter() - begin)


def _page_seconds(port: int) -> float:
    """Return the 95th percentile of the front page's times, one request after the other."""
    seconds = []
    for _ in range(PAGES):
        begin = time.perf_counter()
        with urlopen(f"http://localhost:{port}/") as page:
            page.read()
        seconds.append(time.perf_counter() - begin)
        time.sleep(0.02)
    return quantiles(seconds, n=20)[-1]


@contextmanager
def _worker(environ: dict[str, str]) -> Iterator[None]:
    command = [str(Path(sys.executable).with_name("portal")), "worker"]
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(
        command, env={**os.environ, **environ}, cwd=ROOT, stdout=nowhere, stderr=nowhere
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()
