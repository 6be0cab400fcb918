"""Measure the worker's look-up of one address in a list of 1,000,000 against one of 10,000."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.measure import Result, interleaved
from bench.people import CLASSES, address, write_list
from bench.servers import context_of, portal_settings
from portal.exposure import answers
from portal.exposure.commands import exposure
from portal.incidents import service as incident_service
from portal.incidents.commands import incidents
from portal.runtime.commands import db

FEW, MANY = 10_000, 1_000_000
LOOKS = 300


def run() -> list[Result]:
    """Look up the same number of addresses in both lists."""
    with _list_of(FEW) as few, _list_of(MANY) as many:
        seen = interleaved({"few": few, "many": many})
    detail = f"{seen['many'] * 1e6:.0f} µs against {seen['few'] * 1e6:.0f} µs"
    return [Result("look-up among 1,000,000 / among 10,000", seen["many"] / seen["few"], detail, most=1.5)]


@contextmanager
def _list_of(count: int) -> Iterator[Callable[[], float]]:
    with (
        TemporaryDirectory(prefix="portal-bench-") as name,
        portal_settings() as (settings, _environ),
        context_of(settings) as context,
    ):
        file = Path(name) / "list.csv"
        write_list(file, count)
        for group, arguments in (
            (db, ("upgrade",)),
            (incidents, ("create", "bench", "--title", "Bench", "--classes", CLASSES)),
            (exposure, ("import", "bench", str(file), "--activate")),
        ):
            group.main(arguments, standalone_mode=False, obj=context)
        vault = context.worker_vault()
        addresses = [address(count, number) for number in range(5)] + ["nobody@postbox.example"]
        with context.db.read() as session:
            incident = incident_service.by_slug(session, "bench").id

        def look() -> float:
            times = []
            with context.db.read() as session:
                for number in range(LOOKS):
                    asked = addresses[number % len(addresses)]
                    begin = time.perf_counter()
                    answers.candidates(session, vault, [incident], asked)
                    times.append(time.perf_counter() - begin)
            return median(times)

        yield look
