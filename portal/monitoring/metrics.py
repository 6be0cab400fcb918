"""Write the figures as Prometheus reads them: counts and times, no address and no figure about one person."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from threading import Lock

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import DBAPIError

from portal.core.clock import Clock
from portal.core.db import Database, sqlite_file
from portal.core.disk_space import free_bytes
from portal.intake import service as intake
from portal.monitoring.figures import Figures, collect
from portal.outbox import service as outbox
from portal.runtime import heartbeat, storage_check

# However often somebody asks, the database is read no more often.
KEPT_SECONDS = 5.0
# What /readyz calls degraded, by the same functions.
DEGRADED = {
    "worker": heartbeat.why_degraded,
    "queue": intake.why_degraded,
    "mail": outbox.why_degraded,
}


class Metrics:
    """The text of /metrics, which is at most five seconds old."""

    def __init__(self, db: Database, clock: Clock, seconds: Callable[[], float] = time.monotonic) -> None:
        """Read nothing yet; `seconds` returns them on a clock that never goes back."""
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Portal(db, clock))
        self._seconds = seconds
        self._lock = Lock()
        self._kept: tuple[float, bytes] | None = None

    def text(self) -> bytes:
        """Return the metrics in Prometheus's text format."""
        with self._lock:
            if self._kept is None or self._seconds() - self._kept[0] >= KEPT_SECONDS:
                self._kept = (self._seconds(), generate_latest(self._registry))
            return self._kept[1]


class _Portal(Collector):
    """Reads the figures when it is asked. Without a database it still says that there is none."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every metric."""
        now = self._clock.now()
        yield _gauge("portal_info", "The version that runs.", {heartbeat.installed_version(): 1.0}, "version")
        try:
            storage_check.write_row(self._db, "metrics")
            writable = float(storage_check.fault_of_disk(self._db) is None)
            figures = collect(self._db, now)
            with self._db.read() as session:
                degraded = {name: float(why(session, now) is not None) for name, why in DEGRADED.items()}
        except (DBAPIError, OSError):
            yield _gauge("portal_database_writable", "1 if the database stores what is written.", 0.0)
            return
        yield _gauge("portal_database_writable", "1 if the database stores what is written.", writable)
        yield from self._disk()
        yield _gauge("portal_degraded", "1 if /readyz calls this part degraded.", degraded, "part")
        yield from _of_figures(figures)

    def _disk(self) -> Iterator[GaugeMetricFamily]:
        file = sqlite_file(self._db.engine.url)
        if file is not None:
            free = float(free_bytes(file.absolute().parent))
            yield _gauge("portal_disk_free_bytes", "Room on the disk of the SQLite file.", free)


def _of_figures(figures: Figures) -> Iterator[GaugeMetricFamily]:
    requests, mails = figures.requests, figures.mails
    yield _gauge("portal_workers", "Workers that live.", float(len(figures.workers.living)))
    yield from _time("portal_worker_seen", "When a worker was last seen.", figures.workers.last_seen)
    states = {"waiting": requests.waiting, "held": requests.held, "failed": requests.failed}
    yield _gauge("portal_intake_requests", "Requests from forms that are not answered.", states, "state")
    yield from _time(
        "portal_intake_oldest_due", "Since when the oldest request is due.", requests.oldest_due_at
    )
    yield _gauge("portal_outbox_waiting", "Mails that wait, 100000 at most.", mails.waiting, "stream")
    yield from _time(
        "portal_outbox_oldest_waiting",
        "Since when the mail that is due first has waited.",
        mails.oldest_waiting_at,
    )
    yield _gauge("portal_outbox_ended", "Mails that ended.", mails.ended, "state")
    yield _gauge("portal_outbox_paused", "1 while somebody paused notices.", float(mails.paused is not None))
    progress = {
        "portal_notice_addresses": "Addresses that a notice goes to.",
        "portal_notice_queued": "Addresses whose mail is in the outbox.",
        "portal_notice_sent": "Mails of a notice that were sent, counted some ten minutes later.",
    }
    for name, meaning in progress.items():
        family = GaugeMetricFamily(name, meaning, labels=("incident", "list"))
        for each in figures.notices:
            numbers = {"addresses": each.addresses, "queued": each.queued, "sent": each.sent}
            labels = (each.slug, str(each.list_number))
            family.add_metric(labels, numbers[name.removeprefix("portal_notice_")])
        yield family


def _time(name: str, meaning: str, moment: datetime | None) -> Iterator[GaugeMetricFamily]:
    """Yield a time in seconds since 1970, as PromQL compares it with time(); nothing where there is none."""
    if moment is not None:
        yield _gauge(f"{name}_timestamp_seconds", meaning, moment.timestamp())


def _gauge(
    name: str, meaning: str, value: float | dict[str, float] | dict[str, int], label: str = ""
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=[label] if label else [])
    if isinstance(value, dict):
        for key, each in value.items():
            family.add_metric((key,), each)
    else:
        family.add_metric((), value)
    return family
