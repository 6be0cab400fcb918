"""Measure `/readyz` with 1,000,000 mails in the outbox (`BENCH_MAILS` for fewer) against a millisecond."""

import http.client
import time

from bench.measure import Result, interleaved
from bench.schedule import MAILS, insert_mails
from bench.servers import context_of, portal_settings, serving
from portal.app import READINESS
from portal.core.clock import SystemClock
from portal.demo import example

REQUESTS = 1_000
LIMIT_SECONDS = 0.001
WHOLE_SECONDS = 0.05


def run() -> list[Result]:
    """Measure the page, and one look of the thread that the page reads the result of."""
    with portal_settings() as (settings, environ):
        with context_of(settings) as context:
            example.load(context, new=True)
            now = SystemClock().now()
            insert_mails(context.db, now)
            looks = []
            for _ in range(5):
                begin = time.perf_counter()
                with context.db.read() as session:
                    for check in READINESS.values():
                        check(session, now)
                looks.append(time.perf_counter() - begin)
        with serving("wsgi:app", environ) as port:
            seen = interleaved({page: lambda page=page: _seconds(port, page) for page in PAGES})  # type: ignore[misc]
    detail = f"{seen['/readyz'] * 1000:.2f} ms with the connection; /healthz {seen['/healthz'] * 1000:.2f} ms"
    return [
        Result(f"/readyz at {MAILS:,} mails / 1 ms", seen["/readyz"] / LIMIT_SECONDS, detail, most=1.0),
        Result(
            f"looking what is degraded at {MAILS:,} mails / 50 ms",
            max(looks) / WHOLE_SECONDS,
            f"{max(looks) * 1000:.1f} ms, the slowest of {len(looks)}",
            most=1.0,
        ),
    ]


PAGES = ("/healthz", "/readyz")


def _seconds(port: int, page: str) -> float:
    """Return the mean time of a request on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    begin = time.perf_counter()
    for _ in range(REQUESTS):
        connection.request("GET", page, headers={"Host": "localhost"})
        connection.getresponse().read()
    connection.close()
    return (time.perf_counter() - begin) / REQUESTS
