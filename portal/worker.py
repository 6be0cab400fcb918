"""The worker: threads that answer requests, deliver mail and tend the schedule, until told to stop."""

import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from threading import Event, Thread

from huey.consumer import Consumer
from limits import parse

from portal.core.settings import Settings
from portal.crypto import keys
from portal.intake import jobs as intake
from portal.outbox.compose import Composer
from portal.outbox.deliver import LEASE, Deliverer
from portal.outbox.smtp import Relay
from portal.runtime.parts import WorkerParts
from portal.runtime.queue import Queue

log = logging.getLogger("portal.worker")

LOOK_SECONDS = 1.0
TEND_SECONDS = 10.0
AFTER_FAULT_SECONDS = 3.0
# One, so that a worker that is killed repeats one mail at most; more workers deliver more.
DELIVERY_THREADS = 1
Job = Callable[[WorkerParts], object]


class Consumers(Consumer):  # type: ignore[misc]  # huey has no types
    """Huey's consumer, which ends gracefully on SIGTERM as it does on SIGINT."""

    def __init__(self, *arguments: object, **options: object) -> None:
        """Let both signals finish what was begun."""
        super().__init__(*arguments, **options)
        self._signal_actions = {signal.SIGINT: (False, True), signal.SIGTERM: (False, True)}


class Worker:
    """Runs until `stop`: rows in the database are the truth; the queue only makes it look sooner."""

    def __init__(
        self,
        parts: WorkerParts,
        schedule: Sequence[Job],
        *,
        lease: timedelta = LEASE,
        threads: int = DELIVERY_THREADS,
    ) -> None:
        """Take the parts and the jobs that are run every ten seconds."""
        self._stopping = Event()
        self.parts = replace(parts, stopping=self._stopping.is_set)
        self._schedule = schedule
        self._lease = lease
        self._due = {"answer": Event(), "deliver": Event(), "tend": Event()}
        self._deliverers = [self._deliverer() for _ in range(threads)]
        self._queue = Queue(parts.settings.queue_file, {name: event.set for name, event in self._due.items()})
        self._pace = parse(parts.settings.rate_intake_global)

    def run(self) -> None:
        """Work until SIGINT or SIGTERM; both let what was begun come to its end."""
        threads = self.start()
        consumer = Consumers(self._queue.huey, workers=1, periodic=False, check_worker_health=True)
        try:
            consumer.run()
        finally:
            self.stop()
            for thread in threads:
                thread.join()
            log.info("the worker has stopped")

    def start(self) -> list[Thread]:
        """Start the threads, and return them."""
        threads = [
            Thread(target=self._loop, args=("answer", self._answer, LOOK_SECONDS), name="answer"),
            Thread(target=self._loop, args=("tend", self._tend, TEND_SECONDS), name="tend"),
            *(Thread(target=self._deliver, args=(each,), name="deliver") for each in self._deliverers),
        ]
        for thread in threads:
            thread.start()
        return threads

    def stop(self) -> None:
        """Ask every thread to end after what it is doing."""
        self._stopping.set()
        for event in self._due.values():
            event.set()

    def _loop(self, name: str, step: Callable[[], int], look: float) -> None:
        due = self._due[name]
        while not self._stopping.is_set():
            wait = look
            try:
                if step():
                    continue
            except Exception as error:  # noqa: BLE001 - a database that is gone comes back; the worker must still be there
                log.error("%s failed (%s: %s); trying again", name, type(error).__name__, _cause(error))
                wait = AFTER_FAULT_SECONDS
            due.wait(wait)
            due.clear()

    def _answer(self) -> int:
        answered = intake.answer(self.parts, min(intake.BATCH, self._pace.amount))
        if answered:
            self._due["deliver"].set()
            self._stopping.wait(answered * self._pace.get_expiry() / self._pace.amount)
        return answered

    def _tend(self) -> int:
        run_schedule(self.parts, self._schedule)
        return 0

    def _deliver(self, deliverer: Deliverer) -> None:
        try:
            self._loop("deliver", deliverer.run, LOOK_SECONDS)
        finally:
            deliverer.relay.close()

    def _deliverer(self) -> Deliverer:
        settings = self.parts.settings
        composer = Composer(settings, self.parts.vault, self.parts.composers)
        return Deliverer(self.parts, composer, Relay(settings.mail, settings.mail_sender), lease=self._lease)


def refusals(settings: Settings) -> list[str]:
    """Return why the worker must not start; empty where it may."""
    try:
        keys.read_worker(settings.worker_keys_file)
    except keys.KeysInvalid as error:
        return [str(error)]
    return []


def run_schedule(parts: WorkerParts, schedule: Sequence[Job]) -> None:
    """Run every scheduled job once; one that fails does not keep the others from running."""
    for job in schedule:
        if parts.stopping():
            return
        try:
            job(parts)
        except Exception as error:  # noqa: BLE001 - one job's fault must not keep the others from running
            log.error(
                "%s.%s failed (%s: %s)", job.__module__, job.__name__, type(error).__name__, _cause(error)
            )


def drain(parts: WorkerParts, *, lease: timedelta = LEASE) -> None:
    """Answer and deliver everything that is due, in this thread, and return: for commands and tests."""
    composer = Composer(parts.settings, parts.vault, parts.composers)
    relay = Relay(parts.settings.mail, parts.settings.mail_sender)
    deliverer = Deliverer(parts, composer, relay, lease=lease)
    try:
        while intake.answer(parts) or deliverer.run():
            pass
    finally:
        relay.close()


def _cause(error: Exception) -> str:
    """Return the kind of a database's own error; never its message, which may quote what was stored."""
    original: object = getattr(error, "orig", None)
    return type(original).__name__ if original is not None else "-"
