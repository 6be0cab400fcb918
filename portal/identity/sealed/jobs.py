"""The worker's side of sealed jobs: publish this process's key, claim its jobs, run and answer them."""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from threading import Lock
from time import monotonic
from typing import Any

from sqlalchemy import bindparam, delete, literal, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.core.faults import error_types, frames, is_busy
from portal.crypto.vault import VaultError
from portal.identity.ports import StoreFault, StoreUnavailable
from portal.identity.sealed import process_key, service
from portal.identity.sealed.models import SealedJob, WorkerKey, readable
from portal.identity.sealed.process_key import ProcessKey
from portal.identity.sealed.service import Asked
from portal.runtime.heartbeat import AGAIN_SECONDS, database_time
from portal.runtime.parts import WorkerParts
from portal.runtime.turns import in_turns

log = logging.getLogger("portal.sealed")

THREADS = 16
# What the web process is told where a handler could not say more.
AWAY = {"outcome": "away"}
FAULT = {"outcome": "fault"}
# Built once, from the table rather than the class: somebody waits for each.
_TABLE: Any = SealedJob.__table__
_OWN = (_TABLE.c.key_id == bindparam("key")) & _TABLE.c.claimed_at.is_(None)
_ANY_WAITING = select(literal(1)).where(_OWN).limit(1)
_WAITING = (
    select(_TABLE.c.id, _TABLE.c.kind, _TABLE.c.sealed)
    .where(_OWN, _TABLE.c.asked_at.between(bindparam("after"), bindparam("before")))
    .order_by(_TABLE.c.asked_at.desc())
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_THIS = update(_TABLE).where(_TABLE.c.id == bindparam("job"))
_CLAIM = _THIS.values(claimed_at=bindparam("now"), sealed=b"")
_ANSWER = _THIS.values(answered_at=bindparam("now"), verdict=bindparam("locked"))


@cache
def _waiting(dialect: str) -> Any:
    return _WAITING.where(readable(dialect, SealedJob.id))


@dataclass(frozen=True, repr=False)
class Claimed:
    """A job that this process works on."""

    id: bytes
    kind: str
    sealed: bytes


class Jobs:
    """The jobs that were sealed to this process, and the threads that wait for the company's store."""

    def __init__(self, parts: WorkerParts, threads: int = THREADS) -> None:
        """Make this process's key; nothing is published yet."""
        self._parts = parts
        self._key = ProcessKey(parts.vault)
        self._own = {"key": self._key.key_id}
        self._pool = ThreadPoolExecutor(threads, "sealed")
        self._free = threads
        self._changing = Lock()
        self._next_beat = 0.0
        self._begun: dict[bytes, datetime] = {}  # ids with their deadlines

    def step(self) -> int:
        """Beat when it is time, claim what the free threads can take, and return how many jobs that was."""
        self._beat()
        with self._parts.db.read() as session:
            waits = session.execute(_ANY_WAITING, self._own).first() is not None
        return self._begin() if waits and self._free else 0

    def _begin(self) -> int:
        claimed = self._claim()
        for each in claimed:
            with self._changing:
                self._free -= 1
            self._pool.submit(self._work, each)
        return len(claimed)

    def close(self) -> None:
        """Withdraw this process's key, begin what was sealed to it before, and wait until all has ended."""
        try:
            with self._parts.db.write() as session:
                self._key.withdraw(session)
            self._begin()
        except DBAPIError as error:
            log.warning("sealed: this process's key could not be withdrawn (%s)", error_types(error))
        finally:
            self._pool.shutdown()

    def _beat(self) -> None:
        if monotonic() < self._next_beat:
            return
        pause = process_key.BEAT_SECONDS
        try:
            with self._parts.db.write_at_once() as session:
                self._key.publish(session, self._parts.clock.now())
        except DBAPIError as error:
            if not is_busy(error):
                raise
            pause = AGAIN_SECONDS
        self._next_beat = monotonic() + pause

    def _claim(self) -> list[Claimed]:
        """Claim jobs for the free threads, the newest first: those about to be late are given up first.

        The commit need not reach the disk. A power cut ends this process and so its key: what it undoes then
        is a claim that changed nothing, because what a handler commits before it changes a store takes the
        claim to the disk with it. Where PostgreSQL alone broke down, `_is_first` remembers the claim.
        """
        with self._parts.db.write(durable=False) as session:
            connection = session.connection()
            now = database_time(session, self._parts.clock.now())
            within = {"after": now - service.BEGIN_WITHIN, "before": now + service.AHEAD}
            waiting = _waiting(connection.dialect.name)
            rows = connection.execute(waiting, self._own | within | {"most": self._free}).all()
            # The ciphertext has been read, and is of no use to anybody else.
            claims = [{"job": row.id, "now": now} for row in rows]
            if claims:
                connection.execute(_CLAIM, claims)
        return [Claimed(*row) for row in rows]

    def _work(self, job: Claimed) -> None:
        try:
            self._run(job)
        except Exception as error:  # noqa: BLE001 - nobody waits for what a thread of the pool raises
            log.error(
                "sealed: the verdict of job %s (%s) could not be stored (%s); its browser gets 503%s",
                job.id.hex(),
                job.kind,
                error_types(error),
                frames(error),
            )
        finally:
            with self._changing:
                self._free += 1

    def _run(self, job: Claimed) -> None:
        opened = self._open(job)
        if opened is None:
            return
        asked, fields = opened
        locked = service.lock_verdict(asked, self._verdict(job, fields))
        # Where a power cut undoes this, its browser is told that nobody knows.
        with self._parts.db.write(durable=False) as session:
            now = database_time(session, self._parts.clock.now())
            session.connection().execute(_ANSWER, {"job": job.id, "now": now, "locked": locked})

    def _open(self, job: Claimed) -> tuple[Asked, dict[str, str]] | None:
        try:
            plaintext = self._key.open(service.purpose_of(job.kind), job.id, job.sealed)
            fields = service.fields_of(job.kind, plaintext)
            asked = Asked(job.id, job.kind, bytes.fromhex(fields.pop("response_key")))
            deadline = datetime.fromisoformat(fields.pop("deadline"))
        except (VaultError, ValueError, TypeError, KeyError, RecursionError):
            log.error(
                "sealed: job %s (%r) does not open, so its browser gets 503; "
                "check that the web and worker key files belong together: portal doctor",
                job.id.hex(),
                job.kind,
            )
            return None
        with self._parts.db.read() as session:
            now = database_time(session, self._parts.clock.now())
        if now < deadline and not self._is_first(job.id, deadline, now):
            log.error(
                "sealed: job %s (%r) was done before, and its row put back; not done again; find out who can "
                "write to the database",
                job.id.hex(),
                job.kind,
            )
            return None
        if now < deadline:
            return asked, fields
        log.error(
            "sealed: job %s (%r) came after its deadline, and was not begun; where no worker was suspended, "
            "somebody changed its row: find out who can write to the database",
            job.id.hex(),
            job.kind,
        )
        return None

    def _is_first(self, job_id: bytes, deadline: datetime, now: datetime) -> bool:
        """Return whether a job comes for the first time. No other process can open it."""
        with self._changing:
            self._begun = {one: ends for one, ends in self._begun.items() if ends > now}
            first = job_id not in self._begun
            self._begun[job_id] = deadline
        return first

    def _verdict(self, job: Claimed, fields: dict[str, str]) -> dict[str, Any]:
        handler = self._parts.sealed.get(job.kind)
        if handler is None:
            log.error(
                "sealed: job %s is of the unknown kind %r; run the same version of web server and worker",
                job.id.hex(),
                job.kind,
            )
            return FAULT
        try:
            return handler(job.id, fields, self._parts)
        except StoreUnavailable as error:
            log.warning(
                "sealed: %s: the store is away (%s); nothing was changed", job.kind, error_types(error)
            )
            return AWAY
        except StoreFault as error:
            log.error("sealed: %s: the store gave a wrong answer: %s; nothing was changed", job.kind, error)
            return FAULT
        except Exception as error:  # noqa: BLE001 - one failing job must not end its thread
            log.error("sealed: %s failed (%s)%s", job.kind, error_types(error), frames(error))
            return FAULT


def tidy(parts: WorkerParts) -> None:
    """Delete the jobs that nobody came back to, and the keys of processes long silent."""
    with parts.db.read() as session:
        now = database_time(session, parts.clock.now())
        left = service.any_left(session, now)
        silent = WorkerKey.beat_at < now - process_key.FORGET
        stale = session.scalar(select(literal(1)).where(silent).limit(1)) is not None
        forged = service.count_forged(session, now)
    if forged:
        log.error(
            "sealed: %d jobs have times that no portal wrote; they are deleted. Where no clock was wrong, "
            "somebody changed them: find out who can write to the database",
            forged,
        )
    if left:
        in_turns(parts, _purge)
    if stale:
        with parts.db.write() as session:
            session.execute(delete(WorkerKey).where(silent))


def _purge(session: Session, now: datetime, limit: int) -> int:
    return service.purge(session, database_time(session, now), limit)
