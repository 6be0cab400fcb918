"""Measure `portal reset require` for a list: accounts a second, its memory by their number, its longest turn.

`BENCH_ACCOUNTS=1000000 make bench` requires a million on PostgreSQL, which takes half an hour with them.
"""

import csv
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.measure import Result
from bench.people import CLASSES, write_list
from bench.schedule import transactions
from bench.servers import context_of, portal_settings
from portal.crypto.hashing import dummy_hash
from portal.exposure.commands import exposure
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.identity.builtin.store import BuiltinStore
from portal.incidents.commands import incidents
from portal.reset.commands import reset
from portal.runtime.commands import db
from portal.runtime.context import Context
from tests import databases
from tests.postgres import PostgresServer

FEW = 10_000
MANY = int(os.environ.get("BENCH_ACCOUNTS", "100000"))
ON_SQLITE = 5_000
CHUNK = 2_000
POSTGRES_RATE = 2_000
SQLITE_RATE = 300  # twice what it was when accounts were closed one by one
LIMIT_SECONDS = 0.05
REQUIRE = ("reset", "require", "bench")
# Runs a command, and prints its peak memory in KiB last. Not `ru_maxrss`, which begins with its parent's.
MEASURED = (
    "import re, sys; from pathlib import Path; from portal.cli import main; "
    "main(sys.argv[1:], standalone_mode=False); "
    r"print(re.search(r'VmHWM:\s+(\d+)', Path('/proc/self/status').read_text())[1])"
)


@dataclass(frozen=True)
class Run:
    """One run of the command, in a process of its own."""

    seconds: float
    megabytes: float


def run() -> list[Result]:
    """Require new passwords of few and many on PostgreSQL, and of few on SQLite."""
    server = PostgresServer.start(os.getpid(), options="")
    try:
        few, many = (_on_postgres(server, count) for count in (FEW, MANY))
    finally:
        server.stop()
    rate = (MANY - FEW) / (many.seconds - few.seconds)
    return [
        Result(
            f"required resets on PostgreSQL / {POSTGRES_RATE} a second",
            rate / POSTGRES_RATE,
            f"{rate:.0f} accounts a second, each with a mail and its link; {MANY} in {many.seconds:.0f} s",
            least=1.0,
        ),
        Result(
            f"memory of {MANY} required resets / of {FEW}",
            many.megabytes / few.megabytes,
            f"peaks of {many.megabytes:.0f} MB and {few.megabytes:.0f} MB",
            most=1.1,
        ),
        *_on_sqlite(),
    ]


def _on_postgres(server: PostgresServer, count: int) -> Run:
    databases.execute(server, f"CREATE DATABASE bench_{count}")
    with _prepared(count, PORTAL_DATABASE_URL=server.url(f"bench_{count}")) as (_, environ):
        command = [sys.executable, "-c", MEASURED, *REQUIRE]
        begin = time.perf_counter()
        done = subprocess.run(
            command, env={**os.environ, **environ}, capture_output=True, text=True, check=True
        )
        seconds = time.perf_counter() - begin
    lines = done.stdout.split("\n")
    required = next(int(line.split()[-1]) for line in lines if line.startswith("newly required"))
    if required != count:
        message = f"{required} accounts of {count} were required"
        raise RuntimeError(message)
    return Run(seconds, int(done.stdout.split()[-1]) / 1024)


def _on_sqlite() -> list[Result]:
    with _prepared(ON_SQLITE) as (context, _), transactions(context.db) as turns:
        begin = time.perf_counter()
        reset.main(REQUIRE[1:], standalone_mode=False, obj=context)
        rate = ON_SQLITE / (time.perf_counter() - begin)
    cpu, walls = max(turn.cpu for turn in turns), [turn.wall for turn in turns]
    return [
        Result(
            f"required resets on SQLite / {SQLITE_RATE} a second",
            rate / SQLITE_RATE,
            f"{rate:.0f} accounts a second, with a pause after each turn as long as it took",
            least=1.0,
        ),
        Result(
            "longest turn of required resets on SQLite / 50 ms",
            max(cpu, median(walls)) / LIMIT_SECONDS,
            f"{cpu * 1000:.1f} ms of processor time, the longest of {len(turns)} transactions; "
            f"by the clock {median(walls) * 1000:.1f} ms, the longest {max(walls) * 1000:.1f} ms",
            most=1.0,
        ),
    ]


@contextmanager
def _prepared(count: int, **more: str) -> Iterator[tuple[Context, dict[str, str]]]:
    """Yield a portal with an active list of so many people, each with an account and a customer number."""
    with (
        TemporaryDirectory(prefix="portal-bench-") as folder,
        portal_settings(PORTAL_MAIL_URL="smtp://127.0.0.1:9?tls=none", **more) as (settings, environ),
        context_of(settings) as context,
    ):
        file = Path(folder) / "list.csv"
        write_list(file, count)
        for group, arguments in (
            (db, ("upgrade",)),
            (incidents, ("create", "bench", "--title", "Bench", "--classes", CLASSES)),
            (exposure, ("import", "bench", str(file), "--activate")),
        ):
            group.main(arguments, standalone_mode=False, obj=context)
        _add_accounts(context, file)
        yield context, environ


def _add_accounts(context: Context, file: Path) -> None:
    store, vault, now = BuiltinStore(), context.worker_vault(), datetime.now(UTC)
    password_hash = dummy_hash("m=64,t=1,p=1")
    with file.open(encoding="utf-8", newline="") as source:
        rows = csv.DictReader(source)
        while chunk := list(islice(rows, CHUNK)):
            new = [
                NewAccount(Profile(row["email"], row["name"]), password_hash, frozenset({row["account_ref"]}))
                for row in chunk
            ]
            with context.db.write() as session:
                store.add(session, vault, new, now)
