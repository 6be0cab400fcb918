"""Measure sign-ins with accounts of the portal's own against Argon2id alone on all cores.

`python -m bench sign-ins`. Hashing costs what it costs in production. Every sign-in is by a person with the
right password, from a network of their own, and begins a session; the clients use the same cores.

The shipped units give the server huge pages of memory (decision 0078), so Argon2id alone gets them too; what
the library does without them is printed beside it.
"""

import csv
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from argon2 import PasswordHasher

from bench.flood import PASSWORD
from bench.measure import Result
from bench.rush import HEAD_START, SECONDS, page_p95
from bench.servers import MEMORY, ROOT, context_of, portal_settings, serving
from portal.accounts.commands import accounts
from portal.demo import example

ROUNDS = 3
CLIENTS = 16
PEOPLE = 2_000
HASHES = 100
HASHER = PasswordHasher(1, 47104, 1)


def run() -> list[Result]:
    """Measure Argon2id alone, the front page idle, and both while people sign in, in turn."""
    with portal_settings(
        PORTAL_ARGON2="m=47104,t=1,p=1",
        PORTAL_TRUSTED_PROXIES="1",
        PORTAL_RATE_SIGN_IN_IP="100000000 per hour",
    ) as (settings, environ):
        with context_of(settings) as context:
            example.load(context, new=True)
            file = Path(environ["PORTAL_WEB_KEYS_FILE"]).with_name("accounts.csv")
            _write(file, HASHER.hash(PASSWORD))
            accounts.main(("import", str(file)), standalone_mode=False, obj=context)
        with serving("wsgi:app", environ) as port:
            rounds = [
                (raw(), _raw_in_huge_pages(), page_p95(port, SECONDS - HEAD_START), *_during(port))
                for _ in range(ROUNDS)
            ]
    small, alone, idle, signed_in, busy = (median(each) for each in zip(*rounds, strict=True))
    rate = (
        f"{signed_in:.1f}/s against {alone:.1f}/s on {len(os.sched_getaffinity(0))} cores, both "
        f"in huge pages ({small:.1f}/s without)"
    )
    pages = f"p95 {busy * 1000:.1f} ms meanwhile, {idle * 1000:.1f} ms idle"
    return [
        Result("sign-ins / Argon2id alone on all cores", signed_in / alone, rate, least=0.75),
        Result("front page while people sign in / idle", busy / idle, pages, most=3),
    ]


def _write(file: Path, encoded: str) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(("email", "password_hash", "account_ref", "name", "locale"))
        rows.writerows((f"person{n}@postbox.example", encoded, f"C-{n}", "Ada", "en") for n in range(PEOPLE))


def raw() -> float:
    """Return how many hashes a second all cores verify, with nothing around them."""
    encoded = HASHER.hash(PASSWORD)
    begin = time.perf_counter()
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for _ in pool.map(lambda _number: HASHER.verify(encoded, PASSWORD), range(HASHES)):
            pass
    return HASHES / (time.perf_counter() - begin)


def _raw_in_huge_pages() -> float:
    """Return what `raw` does in a process that has huge pages too."""
    command = [sys.executable, "-c", "from bench import sign_ins; print(sign_ins.raw())"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | MEMORY, stdout=subprocess.PIPE, text=True, check=True
    )
    return float(done.stdout)


def _during(port: int) -> tuple[float, float]:
    """Return the sign-ins a second, and the front page's 95th percentile meanwhile."""
    numbers = (str(number) for number in (port, SECONDS, CLIENTS, 0, 0, PEOPLE))
    command = [sys.executable, "-m", "bench.flood", *numbers]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as flood:
        time.sleep(HEAD_START)
        p95 = page_p95(port, SECONDS - HEAD_START)
        output, _ = flood.communicate()
    return json.loads(output)["sign-ins"]["answered"] / SECONDS, p95
