"""Measure what sealing costs a list on its way, how long others wait for the lock, and its memory.

`BENCH_MEGABYTES=2048 make bench` sends the largest file there may be.
"""

import os
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import Self

from bench.measure import Result, interleaved
from bench.schedule import transactions
from bench.servers import context_of, portal_settings
from portal.core.clock import SystemClock
from portal.crypto.chunks import ChunkSealer
from portal.crypto.vault import WorkerVault
from portal.exposure.people import insert_people
from portal.exposure.uploads import opening, receiving
from portal.exposure.uploads.models import Upload
from portal.incidents.commands import incidents
from portal.incidents.service import every
from portal.runtime.commands import db as db_commands

MEGABYTES = int(os.environ.get("BENCH_MEGABYTES", "256"))
SMALL = 16
PIPED = 1024  # megabytes through a pipe, which stands for the connection
MEGABYTE = 1 << 20
MOST_SECONDS = 0.25
PEOPLE = 2_000_000  # of an import; what a person takes does not grow with them
_ROWS = b"ada.silva@mail.example,C-100001,Ada Silva\n"


class _Waiting:
    """Another writer, which asks for SQLite's lock every few milliseconds; `longest` is its longest wait."""

    def __init__(self, file: Path) -> None:
        self.longest = 0.0
        self._file = file
        self._stopped = Event()
        self._thread = Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _ask(self) -> None:
        connection = sqlite3.connect(self._file, timeout=0, isolation_level=None)
        since = time.perf_counter()
        while not self._stopped.wait(0.003):
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
            except sqlite3.OperationalError:
                self.longest = max(self.longest, time.perf_counter() - since)
            else:
                since = time.perf_counter()
        connection.close()


def run() -> list[Result]:
    """Read a pipe alone and with sealing; then store a small and a large file in processes of their own."""
    with portal_settings() as (settings, _), context_of(settings) as context:
        db_commands.main(["upgrade"], standalone_mode=False, obj=context)
        vault = context.worker_vault()
        seen = interleaved({"alone": lambda: _piped(None), "sealing": lambda: _piped(vault)}, 3)
    small, large = _stored(SMALL), _stored(MEGABYTES)
    memory = large["memory"] / small["memory"]
    return [
        Result(
            "a list through a pipe, sealed / read alone",
            seen["sealing"] / seen["alone"],
            f"{seen['sealing']:.0f} MB/s against {seen['alone']:.0f} MB/s",
            least=0.1,
        ),
        Result(
            f"memory of receiving {MEGABYTES} MB / {SMALL} MB",
            memory,
            f"peak {large['memory']:.0f} MB, {MEGABYTES / large['seconds']:.1f} MB/s stored",
            most=1.15,
        ),
        Result(
            "longest wait for the lock beside a list on its way / 250 ms",
            large["longest"] / MOST_SECONDS,
            f"{large['longest'] * 1000:.0f} ms",
            most=1.0,
        ),
        Result(
            f"memory of reading {MEGABYTES} MB back / {SMALL} MB",
            large["read"] / small["read"],
            f"peak {large['read']:.0f} MB",
            most=1.15,
        ),
        *_imported(),
    ]


def _imported() -> list[Result]:
    """Store people as an import does: how long each turn holds SQLite's lock, in the first and last quarter.

    By the clock the 99th percentile counts: anything else that the machine does makes single turns longer.
    """
    with portal_settings() as (settings, _), context_of(settings) as context:
        db_commands.main(["upgrade"], standalone_mode=False, obj=context)
        blob = bytes(284)
        people = ((1, number.to_bytes(16), number.to_bytes(16), blob) for number in range(PEOPLE))
        with transactions(context.db) as turns:
            insert_people(context.db, people)
    walls = [turn.wall for turn in turns]
    quarter = len(walls) // 4
    first, last = median(walls[:quarter]), median(walls[-quarter:])
    longest = max(*(turn.cpu for turn in turns), sorted(walls)[int(len(walls) * 0.99)])
    return [
        Result(
            f"turns of storing {PEOPLE} people / 250 ms",
            longest / MOST_SECONDS,
            f"{longest * 1000:.0f} ms; the longest by the clock {max(walls) * 1000:.0f} ms",
            most=1.0,
        ),
        Result(
            "turns of the last quarter / of the first",
            last / first,
            f"medians of {last * 1000:.0f} ms and {first * 1000:.0f} ms",
            most=1.5,
        ),
    ]


def _piped(vault: WorkerVault | None) -> float:
    """Return how many megabytes a second come through a pipe, and are sealed where a vault is given."""
    size = PIPED * MEGABYTE
    command = ["head", "-c", str(size), "/dev/zero"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as source:
        assert source.stdout is not None
        begin = time.perf_counter()
        sealer = None if vault is None else ChunkSealer(vault, "bench", bytes(16), 0)
        number = 0
        while data := source.stdout.read(MEGABYTE):
            if sealer is not None:
                sealer.seal(number, data, last=False)
            number += 1
        return PIPED / (time.perf_counter() - begin)


def _stored(megabytes: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.uploads", str(megabytes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    names = ("seconds", "longest", "memory", "read")
    return dict(zip(names, map(float, done.stdout.split()[-4:]), strict=True))


def _store(megabytes: int) -> None:
    """Receive a file, read it back, and print seconds, longest transaction, and both peaks in MB."""
    size = megabytes * MEGABYTE
    with portal_settings() as (settings, _), context_of(settings) as context:
        for group, arguments in (
            (db_commands, ("upgrade",)),
            (incidents, ("create", "bench", "--title", "Bench", "--classes", "Names")),
        ):
            group.main(list(arguments), standalone_mode=False, obj=context)
        database, vault = context.db, context.worker_vault()
        place = receiving.Place(database, vault, SystemClock())
        with database.write() as session:
            incident_id = every(session)[0].id
            upload = receiving.begin(session, incident_id, "list", "text", size, "bench", SystemClock().now())
        begin = time.perf_counter()
        with _Waiting(Path(str(database.engine.url.database))) as waiting:
            receiving.receive(place, upload, 0, size, _source(size))
        seconds, memory = time.perf_counter() - begin, _peak()
        with database.read() as session:
            upload = session.get_one(Upload, upload.id)
        with opening.streamed(database, vault, upload).open() as content:
            while content.read(MEGABYTE):
                pass
        print(seconds, waiting.longest, memory, _peak())


def _source(size: int) -> Callable[[int], bytes]:
    block = (_ROWS * (MEGABYTE // len(_ROWS) + 1))[:MEGABYTE]
    left = size

    def read(most: int) -> bytes:
        nonlocal left
        found = block[: min(most, left)]
        left -= len(found)
        return found

    return read


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    _store(int(sys.argv[1]))
