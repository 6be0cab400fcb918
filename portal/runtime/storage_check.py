"""Check that the database can store: write a real row, and look at its disk and at what waits too long."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from secrets import token_bytes
from threading import Event, Thread
from time import monotonic

from sqlalchemy import LargeBinary, String
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core.clock import Clock, SystemClock
from portal.core.db import Base, Database, insert, sqlite_file
from portal.core.disk_space import free_bytes, readable
from portal.core.faults import database_message, error_types, is_busy

log = logging.getLogger("portal.storage")

EVERY_SECONDS = 5.0
# How old the last written row may be. A lock that is held for so long lets nobody write either.
MAX_AGE_SECONDS = 30.0
# SQLite may still store small rows in room that it already has, and then no more.
MIN_FREE_BYTES = 1_000_000
VALUE_BYTES = 16
NOT_CHECKED = "not checked yet"

# Arguments: session, now. Returns why this part of the portal is degraded, for operators, or None.
ReadinessCheck = Callable[[Session, datetime], str | None]


class StorageProbe(Base):
    """The row that a process writes to find out whether it can; the value means nothing."""

    __tablename__ = "storage_probes"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary(VALUE_BYTES))


def write_row(db: Database, name: str) -> bool:
    """Write and commit the row `name`; return False if another writer holds the lock. Raises DBAPIError."""
    row = {"name": name, "value": token_bytes(VALUE_BYTES)}
    try:
        with db.write_at_once() as session:
            statement = insert(session, StorageProbe).values(row)
            session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))
    except DBAPIError as error:
        if not is_busy(error):
            raise
        return False
    return True


def fault_of_disk(db: Database) -> str | None:
    """Return that the disk of an SQLite database is full, or None; PostgreSQL's is on another machine."""
    file = sqlite_file(db.engine.url)
    if file is None or (free := free_bytes(file.absolute().parent)) >= MIN_FREE_BYTES:
        return None
    return f"the disk of {file} is full ({readable(free)} left); free some space"


class StorageCheck:
    """The last result of writing a row, looking at the disk, and `checks` by their names, in memory.

    After `start` a thread does all that every 5 seconds. Without it, as in tests, each call of `fault` does.
    """

    def __init__(
        self,
        db: Database,
        checks: Mapping[str, ReadinessCheck] | None = None,
        clock: Clock | None = None,
        *,
        every: float = EVERY_SECONDS,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """Check `db` every so many seconds; `now` returns seconds on a clock that never goes back."""
        self._db = db
        self._checks = checks or {}
        self._clock = clock or SystemClock()
        self.degraded: dict[str, str | None] = dict.fromkeys(self._checks)
        self._every = every
        self._now = now
        self._written_at = now()
        self._fault: str | None = NOT_CHECKED
        self._failing_since: float | None = None
        self._started = False
        self._stopping = Event()

    def start(self) -> Thread:
        """Look once, so that the first answer is known; start the thread, and return it.

        It ends with the process, or at `stop`.
        """
        self._started = True
        self._look_or_fail()
        thread = Thread(target=self._run, name="storage", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Tell the thread to end."""
        self._stopping.set()

    def fault(self) -> str | None:
        """Return why the database cannot store now, or None."""
        if not self._started:
            self.look()
        age = self._now() - self._written_at
        if self._fault is None and age > MAX_AGE_SECONDS:
            return f"no row could be written for {age:.0f} s; another process holds the lock all the time"
        return self._fault

    def look(self) -> None:
        """Do all checks once. A lock that another process holds is no fault."""
        try:
            self._look_at_checks()
            if not write_row(self._db, "web"):
                if self._fault == NOT_CHECKED:  # at a start, all processes look at once
                    self._fault = None
                return
            fault = fault_of_disk(self._db)
        except DBAPIError as error:
            fault = database_message(error, sqlite_file(self._db.engine.url))
        except OSError as error:
            fault = f"the disk of the database does not answer ({error.strerror})"
        self._store(fault)

    def _look_at_checks(self) -> None:
        with self._db.read() as session:
            causes = {name: check(session, self._clock.now()) for name, check in self._checks.items()}
        for name, cause in causes.items():
            if (cause is None) is not (self.degraded[name] is None):
                log.warning("storage: %s is %s", name, "ok again" if cause is None else f"degraded: {cause}")
        self.degraded = causes

    def _store(self, fault: str | None) -> None:
        now = self._now()
        if fault is not None and self._failing_since is None:
            self._failing_since = now
            log.error("storage: %s. Nothing can be stored, /readyz answers 503; see: portal doctor", fault)
        elif fault is None and self._failing_since is not None:
            log.info("storage: the database stores again, after %d s", now - self._failing_since)
            self._failing_since = None
        if fault is None:
            self._written_at = now
        self._fault = fault

    def _run(self) -> None:
        while not self._stopping.wait(self._every):
            self._look_or_fail()

    def _look_or_fail(self) -> None:
        try:
            self.look()
        except Exception as error:  # noqa: BLE001 - the check must outlive whatever it finds
            self._store(f"the check itself failed ({error_types(error)})")
