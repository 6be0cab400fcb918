"""Measure what sealing costs a list on its way, how long each transaction is, and the memory it takes.

`BENCH_MEGABYTES=2048 make bench` sends the largest file there may be.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable

from bench.measure import Result, interleaved
from bench.servers import context_of, portal_settings
from portal.core.clock import SystemClock
from portal.core.db import Database
from portal.crypto.chunks import ChunkSealer
from portal.crypto.vault import WorkerVault
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
_ROWS = b"ada.silva@mail.example,C-100001,Ada Silva\n"


class _Timed(Database):
    """Notes how long the longest of many transactions took."""

    longest = 0.0

    def pause_after(self, seconds: float) -> None:
        self.longest = max(self.longest, seconds)
        super().pause_after(seconds)


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
            least=0.2,
        ),
        Result(
            f"memory of receiving {MEGABYTES} MB / {SMALL} MB",
            memory,
            f"peak {large['memory']:.0f} MB, {MEGABYTES / large['seconds']:.1f} MB/s stored",
            most=1.15,
        ),
        Result(
            "longest transaction of a list on its way / 250 ms",
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
        database, vault = _Timed(settings.database_url), context.worker_vault()
        place = receiving.Place(database, vault, SystemClock())
        with database.write() as session:
            incident_id = every(session)[0].id
            upload = receiving.begin(session, incident_id, "list", "text", size, "bench", SystemClock().now())
        begin = time.perf_counter()
        receiving.receive(place, upload, 0, size, _source(size))
        seconds, memory = time.perf_counter() - begin, _peak()
        with database.read() as session:
            upload = session.get_one(Upload, upload.id)
        with opening.streamed(database, vault, upload).open() as content:
            while content.read(MEGABYTE):
                pass
        print(seconds, database.longest, memory, _peak())
        database.dispose()


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
