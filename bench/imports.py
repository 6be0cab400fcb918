"""Measure an import into SQLite against a bare loop of csv, keyed hash, AEAD and insert, and its memory.

`BENCH_ROWS=10000000 make bench` measures ten million.
"""

import csv
import os
import sqlite3
import subprocess
import sys
import time
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.measure import Result, interleaved
from bench.people import CLASSES, write_list
from bench.servers import context_of, portal_settings
from portal.incidents.commands import incidents
from portal.runtime.commands import db

ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))
MOST_MEGABYTES = 250
CHUNK = 10_000
# Runs a command, and prints its peak memory in KiB last.
MEASURED = (
    "import resource, sys; from portal.cli import main; main(sys.argv[1:], standalone_mode=False); "
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
)


def run() -> list[Result]:
    """Import the same file with both, alternating."""
    memory: list[int] = []
    with TemporaryDirectory(prefix="portal-bench-") as name:
        file = Path(name) / "list.csv"
        write_list(file, ROWS)

        def portal() -> float:
            with portal_settings() as (settings, environ):
                with context_of(settings) as context:
                    for group, arguments in (
                        (db, ("upgrade",)),
                        (incidents, ("create", "bench", "--title", "Bench", "--classes", CLASSES)),
                    ):
                        group.main(arguments, standalone_mode=False, obj=context)
                command = [sys.executable, "-c", MEASURED, "exposure", "import", "bench", str(file)]
                begin = time.perf_counter()
                done = subprocess.run(
                    command, env={**os.environ, **environ}, capture_output=True, text=True, check=True
                )
                seconds = time.perf_counter() - begin
                memory.append(int(done.stdout.split()[-1]))
            return ROWS / seconds

        runs = 5 if ROWS <= 1_000_000 else 1
        seen = interleaved({"bare": lambda: _bare(file), "portal": portal}, runs)
    detail = f"{seen['portal']:.0f} rows/s against {seen['bare']:.0f} rows/s, {ROWS} rows"
    most = max(memory) / 1024
    return [
        Result("import / bare loop", seen["portal"] / seen["bare"], detail, least=0.5),
        Result("memory of an import / 250 MB", most / MOST_MEGABYTES, f"peak {most:.0f} MB", most=1.0),
    ]


def _bare(file: Path) -> float:
    """Return the rows per second of a loop without checks, merging or sorting."""
    key, aead = os.urandom(32), AESGCM(os.urandom(32))
    begin = time.perf_counter()
    with TemporaryDirectory() as name, file.open(encoding="utf-8", newline="") as source:
        connection = sqlite3.connect(Path(name) / "bare.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE people (hash BLOB PRIMARY KEY, blob BLOB)")
        rows = csv.reader(source)
        next(rows)
        chunk: list[tuple[bytes, bytes]] = []
        for row in rows:
            index = blake2b(row[0].encode(), key=key, digest_size=16).digest()
            nonce = os.urandom(12)
            chunk.append(
                (index, nonce + aead.encrypt(nonce, "\0".join(row).encode().ljust(256, b"\0"), index))
            )
            if len(chunk) == CHUNK:
                _insert(connection, chunk)
                chunk = []
        _insert(connection, chunk)
        connection.close()
    return ROWS / (time.perf_counter() - begin)


def _insert(connection: sqlite3.Connection, chunk: list[tuple[bytes, bytes]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT OR IGNORE INTO people VALUES (?, ?)", chunk)
    connection.execute("COMMIT")
