"""Measure the front page while 100 people sign in and 100 check at once, against an idle portal.

`python -m bench rush`. Hashing costs what it costs in production. The rush comes from networks of its own,
and from a process of its own on the same cores.
"""

import http.client
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.measure import Result
from bench.servers import ROOT, context_of, portal_settings, serving
from portal.demo import example

ROUNDS = 3
SECONDS = 8
HEAD_START = 2.0  # seconds until every client of the rush is there
PAUSE = 0.01
SIGN_INS = CHECKS = 100
RUDE = 60
ENOUGH = 0.02  # seconds
TIMES = 3


@dataclass(frozen=True)
class Seen:
    """The front page's 95th percentile in seconds, and what became of the forms meanwhile."""

    p95: float
    forms: dict[str, dict[str, float]]


def run() -> list[Result]:
    """Measure idle, with polite clients, and with 60 more that do not obey Retry-After, in turn."""
    with portal_settings(
        PORTAL_ARGON2="m=47104,t=1,p=1",
        PORTAL_TRUSTED_PROXIES="1",
        PORTAL_RATE_SIGN_IN_IP="100000000 per hour",
    ) as (settings, environ):
        with context_of(settings) as context:
            example.load(context, new=True)
        with serving("wsgi:app", environ) as port:
            rounds = [(_idle(port), _during(port, 0), _during(port, RUDE)) for _ in range(ROUNDS)]
    idle = median(seen[0] for seen in rounds)
    limit = max(TIMES * idle, ENOUGH)
    names = ("100 sign-ins and 100 checks", "the same and 60 that do not wait")
    return [
        _result(name, [seen[place] for seen in rounds], idle, limit) for place, name in enumerate(names, 1)
    ]


def _result(name: str, seen: list[Any], idle: float, limit: float) -> Result:
    p95 = median(each.p95 for each in seen)
    forms = ", ".join(
        f"{kind} {median(each.forms[kind]['answered'] for each in seen) / SECONDS:.0f}/s answered "
        f"(p95 {median(each.forms[kind]['p95'] for each in seen) * 1000:.0f} ms) and "
        f"{median(each.forms[kind]['refused'] for each in seen) / SECONDS:.0f}/s refused"
        for kind in ("sign-ins", "checks")
    )
    detail = f"p95 {p95 * 1000:.1f} ms, idle {idle * 1000:.1f} ms; {forms}"
    return Result(
        f"front page under {name} / the greater of 3 x idle and 20 ms", p95 / limit, detail, most=1.0
    )


def _idle(port: int) -> float:
    return page_p95(port, SECONDS - HEAD_START)


def _during(port: int, rude: int) -> Seen:
    numbers = (str(number) for number in (port, SECONDS, SIGN_INS, CHECKS, rude))
    command = [sys.executable, "-m", "bench.flood", *numbers]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as flood:
        time.sleep(HEAD_START)
        p95 = page_p95(port, SECONDS - HEAD_START)
        output, _ = flood.communicate()
    return Seen(p95, json.loads(output))


def page_p95(port: int, seconds: float) -> float:
    """Return how long the front page takes at the 95th percentile, asked for on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    times, end = [], time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        connection.request("GET", "/", headers={"Host": "localhost", "Accept-Language": "en"})
        answer = connection.getresponse()
        answer.read()
        times.append(time.perf_counter() - begin)
        if answer.status != http.client.OK:
            raise RuntimeError(f"the front page answered {answer.status}")
        time.sleep(PAUSE)
    connection.close()
    return sorted(times)[int(len(times) * 0.95)]
