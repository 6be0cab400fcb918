"""The worker: threads that answer requests, deliver mail and run scheduled jobs until stopped."""

import logging
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Event, Lock, Thread
from time import monotonic

from limits import parse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.core.faults import error_types, frames
from portal.core.settings import Settings
from portal.crypto import keys
from portal.identity import registry
from portal.identity.sealed.jobs import Jobs
from portal.intake import jobs as intake
from portal.intake.service import any_due as any_request_due
from portal.outbox.bulk.lanes import any_due as any_mail_due
from portal.outbox.compose import Composer
from portal.outbox.deliver import LEASE, Deliverer, Delivery
from portal.outbox.smtp import Relay
from portal.runtime import heartbeat
from portal.runtime import schedule as times
from portal.runtime.parts import WorkerParts
from portal.runtime.schedule import ScheduledJob

log = logging.getLogger("portal.worker")

LOOK_SECONDS = 0.25
# Somebody waits in front of a page for a sealed job. A look reads one index entry.
SEALED_LOOK_SECONDS = 0.02
AFTER_FAULT_SECONDS = 3.0
# A thread that computes, as in a pass over a list, gives way to others after this long. With Python's 5 ms
# a sealed job, which waits for the database dozens of times, waited as often for such a thread.
SWITCH_SECONDS = 0.0005


class Worker:
    """Threads that poll the database for due rows until `stop`.

    Polling takes no lock; a write transaction begins only where something is due.
    """

    def __init__(
        self,
        parts: WorkerParts,
        schedule: Sequence[ScheduledJob],
        *,
        lease: timedelta = LEASE,
    ) -> None:
        """Store the parts and the schedule; `lease` is how long a claimed mail is held."""
        self._signalled = False
        self._stopping = Event()
        self.parts = replace(parts, stopping=self._stopping.is_set)
        self._schedule = schedule
        delivery = _delivery(self.parts, lease)
        self._deliverers = [_deliverer(delivery) for _ in range(parts.settings.mail.connections)]
        self._looks, self._next_look = Lock(), 0.0
        self._heart, self._next_beat = heartbeat.Heart(parts.db, parts.clock), 0.0
        rate = parts.settings.limits.intake_global
        self._rate = parse(rate) if rate else None
        self._jobs = Jobs(self.parts) if parts.sealed else None

    def run(self) -> None:
        """Work until SIGINT or SIGTERM, then finish the current work. Main thread only."""
        sys.setswitchinterval(SWITCH_SECONDS)
        with self._signals():
            threads = self.start()
            try:
                while not (self._signalled or self._stopping.wait(LOOK_SECONDS)):
                    pass
            finally:
                self.stop()
                for thread in threads:
                    thread.join()
                self._say_stopped()

    def start(self) -> list[Thread]:
        """Start and return the threads."""
        stuck = times.StuckTimes()
        threads = [
            Thread(target=self._loop, args=("answer", self._answer), name="answer"),
            Thread(
                target=self._loop,
                args=("schedule", lambda: run_due(self.parts, self._schedule, stuck)),
                name="schedule",
            ),
            *(
                Thread(target=self._loop, args=(name, made(self.parts)), name=name)
                for name, made in self.parts.long_work.items()
            ),
            *(Thread(target=self._deliver, args=(each,), name="deliver") for each in self._deliverers),
            *(
                [Thread(target=self._answer_sealed, args=(jobs,), name="sealed")]
                if (jobs := self._jobs)
                else ()
            ),
        ]
        if self._jobs:
            # Before this process's other threads write: on a first start they keep SQLite's lock for seconds,
            # and meanwhile nobody could sign in. What is wrong with the database, the threads say.
            with suppress(DBAPIError):
                self._jobs.step()
        for thread in threads:
            thread.start()
        beats = Thread(target=self._loop, args=("heartbeat", lambda: self._beat(threads)), name="heartbeat")
        beats.start()
        return [*threads, beats]

    def stop(self) -> None:
        """Tell every thread to end after its current work."""
        self._stopping.set()

    def _beat(self, threads: Sequence[Thread]) -> int:
        """Store that this worker lives, when it is time; not if one of its threads has died."""
        if monotonic() < self._next_beat:
            return 0
        dead = [thread.name for thread in threads if not thread.is_alive()]
        if dead and not self._stopping.is_set():
            log.error("worker: the thread %s has ended; restart the worker", dead[0])
        stored = bool(dead) or self._heart.beat()
        self._next_beat = monotonic() + (heartbeat.BEAT_SECONDS if stored else heartbeat.AGAIN_SECONDS)
        return 0

    def _say_stopped(self) -> None:
        try:
            self._heart.stop()
        except DBAPIError as error:
            log.warning("worker: stopped, which could not be stored (%s)", error_types(error))
        else:
            log.info("worker: stopped")

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Record SIGINT and SIGTERM inside the block, and ignore them afterwards if there was one.

        The handler sets a plain attribute: it interrupts the main thread anywhere, and setting an Event could
        deadlock on the lock that the main thread holds. A signal that is repeated while the interpreter ends
        would kill a process that has finished its work, and its exit status would say so.
        """

        def record(_number: int, _frame: object) -> None:
            self._signalled = True

        previous = {number: signal.signal(number, record) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            if self._signalled:
                # Python handles those that came before, and complains of none that it is to ignore by then.
                signal.pthread_sigmask(signal.SIG_BLOCK, previous)
            for number, handler in previous.items():
                signal.signal(number, signal.SIG_IGN if self._signalled else handler)

    def _loop(self, name: str, step: Callable[[], int], pause: float = LOOK_SECONDS) -> None:
        """Repeat a step, which returns how much it did: at once if anything, else after `pause` seconds."""
        while not self._stopping.is_set():
            wait = pause
            try:
                self.parts.look()
                if step():
                    continue
            except Exception as error:  # noqa: BLE001 - the worker must outlive a database that is down
                wait = AFTER_FAULT_SECONDS
                log.error(
                    "worker: %s failed (%s); retrying in %g s%s",
                    name,
                    error_types(error),
                    wait,
                    frames(error),
                )
            self._stopping.wait(wait)

    def _is_due(self, any_due: Callable[[Session, datetime], bool]) -> bool:
        with self.parts.db.read() as session:
            return any_due(session, self.parts.clock.now())

    def _is_mail_due(self) -> bool:
        """Look for all connections: where nothing was due, the others need not look for a while."""
        with self._looks:
            if monotonic() < self._next_look:
                return False
            due = self._is_due(any_mail_due)
            self._next_look = monotonic() + (0.0 if due else LOOK_SECONDS / 2)
            return due

    def _answer(self) -> int:
        if not self._is_due(any_request_due):
            return 0
        return intake.answer(self.parts, rate=self._rate)

    def _answer_sealed(self, jobs: Jobs) -> None:
        try:
            self._loop("sealed", jobs.step, SEALED_LOOK_SECONDS)
        finally:
            jobs.close()

    def _deliver(self, deliverer: Deliverer) -> None:
        def step() -> int:
            if self._is_mail_due():
                return deliverer.run()
            deliverer.relay.close()  # the relay would drop an idle connection just before the next mail
            return 0

        try:
            self._loop("deliver", step)
        finally:
            deliverer.relay.close()


def _delivery(parts: WorkerParts, lease: timedelta) -> Delivery:
    words = {name: finder(parts) for name, finder in parts.words.items()}
    composer = Composer(parts.settings, parts.vault, parts.composers, words)
    return Delivery(parts, composer, lease=lease)


def _deliverer(delivery: Delivery) -> Deliverer:
    mail = delivery.parts.settings.mail
    return Deliverer(delivery, Relay(mail.server, mail.sender))


def refusals(settings: Settings) -> list[str]:
    """Return the reasons why the worker must not start; empty if it may."""
    faults = [] if (fault := registry.fault_of(settings)) is None else [fault]
    try:
        keys.read_worker(settings.keys.worker_file)
    except keys.KeysInvalid as error:
        faults.append(str(error))
    return faults


def run_due(
    parts: WorkerParts, schedule: Sequence[ScheduledJob], stuck: times.StuckTimes | None = None
) -> int:
    """Run the due jobs that no other worker has claimed; return how many ran."""
    ran = 0
    for each in times.due(parts.db, schedule, parts.clock.now(), stuck):
        if parts.stopping():
            break
        if times.claim(parts.db, each, parts.clock.now()):
            _run(parts, each.job)
            ran += 1
    return ran


def run_schedule(parts: WorkerParts, schedule: Sequence[ScheduledJob]) -> None:
    """Run every scheduled job once, due or not, without changing its next time. For commands and tests."""
    for job in schedule:
        if parts.stopping():
            return
        _run(parts, job)


def drain(parts: WorkerParts, *, lease: timedelta = LEASE) -> None:
    """Answer and deliver everything that is due, in this thread. For commands and tests."""
    deliverer = _deliverer(_delivery(parts, lease))
    parts.look()
    try:
        while intake.answer(parts) or deliverer.run():
            pass
    finally:
        deliverer.relay.close()


def _run(parts: WorkerParts, job: ScheduledJob) -> None:
    try:
        job.run(parts)
    except Exception as error:  # noqa: BLE001 - a failing job must not stop the others
        log.error(
            "schedule: %s failed (%s); it runs again within %d s%s",
            job.name,
            error_types(error),
            job.every.total_seconds(),
            frames(error),
        )
