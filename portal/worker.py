"""The worker: threads that answer requests, deliver mail and run what is scheduled, until told to stop."""

import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Event, Thread

from limits import parse
from sqlalchemy.orm import Session

from portal.core.settings import Settings
from portal.crypto import keys
from portal.intake import jobs as intake
from portal.intake.service import any_due as any_request_due
from portal.outbox.compose import Composer
from portal.outbox.deliver import LEASE, Deliverer
from portal.outbox.service import any_due as any_mail_due
from portal.outbox.smtp import Relay
from portal.runtime import schedule as times
from portal.runtime.parts import WorkerParts
from portal.runtime.schedule import ScheduledJob

log = logging.getLogger("portal.worker")

LOOK_SECONDS = 0.25
AFTER_FAULT_SECONDS = 3.0
# One, so that a worker that is killed repeats one mail at most; more workers deliver more.
DELIVERY_THREADS = 1


class Worker:
    """Runs until `stop`: rows in the database are the truth, and each thread looks for its own that are due.

    To look takes no lock; only where something is due a writing transaction begins.
    """

    def __init__(
        self,
        parts: WorkerParts,
        schedule: Sequence[ScheduledJob],
        *,
        lease: timedelta = LEASE,
        threads: int = DELIVERY_THREADS,
    ) -> None:
        """Take the parts and the jobs that are scheduled."""
        self._asked_to_end = False
        self._stopping = Event()
        self.parts = replace(parts, stopping=self._stopping.is_set)
        self._schedule = schedule
        self._lease = lease
        self._deliverers = [self._deliverer() for _ in range(threads)]
        self._pace = parse(parts.settings.limits.intake_global)

    def run(self) -> None:
        """Work until SIGINT or SIGTERM; both let what was begun come to its end. Main thread only."""
        with self._signals():
            threads = self.start()
            try:
                while not (self._asked_to_end or self._stopping.wait(LOOK_SECONDS)):
                    pass
            finally:
                self.stop()
                for thread in threads:
                    thread.join()
                log.info("the worker has stopped")

    def start(self) -> list[Thread]:
        """Start the threads, and return them."""
        threads = [
            Thread(target=self._loop, args=("answer", self._answer), name="answer"),
            Thread(target=self._loop, args=("schedule", self._run_due), name="schedule"),
            *(Thread(target=self._deliver, args=(each,), name="deliver") for each in self._deliverers),
        ]
        for thread in threads:
            thread.start()
        return threads

    def stop(self) -> None:
        """Ask every thread to end after what it is doing."""
        self._stopping.set()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Note SIGINT and SIGTERM meanwhile.

        The handler sets a plain attribute: it runs between any two steps of the main thread, which may hold
        the lock of an Event that it would wait for.
        """

        def note(_number: int, _frame: object) -> None:
            self._asked_to_end = True

        former = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _loop(self, name: str, step: Callable[[], int]) -> None:
        """Repeat a step that returns how much it did: at once where it did something, else after a wait."""
        while not self._stopping.is_set():
            wait = LOOK_SECONDS
            try:
                if step():
                    continue
            except Exception as error:  # noqa: BLE001 - a database that is gone comes back: stay for it
                log.error("%s failed (%s: %s); trying again", name, type(error).__name__, _cause(error))
                wait = AFTER_FAULT_SECONDS
            self._stopping.wait(wait)

    def _is_due(self, any_due: Callable[[Session, datetime], bool]) -> bool:
        with self.parts.db.read() as session:
            return any_due(session, self.parts.clock.now())

    def _answer(self) -> int:
        if not self._is_due(any_request_due):
            return 0
        answered = intake.answer(self.parts, min(intake.BATCH, self._pace.amount))
        self._stopping.wait(answered * self._pace.get_expiry() / self._pace.amount)
        return answered

    def _run_due(self) -> int:
        return run_due(self.parts, self._schedule)

    def _deliver(self, deliverer: Deliverer) -> None:
        def step() -> int:
            if self._is_due(any_mail_due):
                return deliverer.run()
            deliverer.relay.close()  # one that is kept would be dropped by the relay just before the next mail
            return 0

        try:
            self._loop("deliver", step)
        finally:
            deliverer.relay.close()

    def _deliverer(self) -> Deliverer:
        settings = self.parts.settings
        composer = Composer(settings, self.parts.vault, self.parts.composers)
        return Deliverer(
            self.parts, composer, Relay(settings.mail.server, settings.mail.sender), lease=self._lease
        )


def refusals(settings: Settings) -> list[str]:
    """Return why the worker must not start; empty where it may."""
    try:
        keys.read_worker(settings.keys.worker_file)
    except keys.KeysInvalid as error:
        return [str(error)]
    return []


def run_due(parts: WorkerParts, schedule: Sequence[ScheduledJob]) -> int:
    """Run the scheduled jobs that are due, each where no other worker was first; return how many ran."""
    ran = 0
    for each in times.due(parts.db, schedule, parts.clock.now()):
        if parts.stopping():
            break
        if times.claim(parts.db, each, parts.clock.now()):
            _run(parts, each.job)
            ran += 1
    return ran


def run_schedule(parts: WorkerParts, schedule: Sequence[ScheduledJob]) -> None:
    """Run every scheduled job once now, due or not, and move no next time: for commands and tests."""
    for job in schedule:
        if parts.stopping():
            return
        _run(parts, job)


def drain(parts: WorkerParts, *, lease: timedelta = LEASE) -> None:
    """Answer and deliver everything that is due, in this thread, and return: for commands and tests."""
    composer = Composer(parts.settings, parts.vault, parts.composers)
    relay = Relay(parts.settings.mail.server, parts.settings.mail.sender)
    deliverer = Deliverer(parts, composer, relay, lease=lease)
    try:
        while intake.answer(parts) or deliverer.run():
            pass
    finally:
        relay.close()


def _run(parts: WorkerParts, job: ScheduledJob) -> None:
    try:
        job.run(parts)
    except Exception as error:  # noqa: BLE001 - one job's fault must not keep the others from running
        seconds = job.every.total_seconds()
        log.error(
            "schedule: %s failed (%s: %s); it runs again within %d s",
            job.name,
            type(error).__name__,
            _cause(error),
            seconds,
        )


def _cause(error: Exception) -> str:
    """Return the kind of a database's own error; never its message, which may quote what was stored."""
    original: object = getattr(error, "orig", None)
    return type(original).__name__ if original is not None else "-"
