"""The worker's long work: count what a reset would do, or do it, one run at a time."""

import json
import logging
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from sqlalchemy import and_, or_, select, update

from portal.core.db import new_id
from portal.core.faults import error_types, frames
from portal.crypto.vault import VaultError
from portal.exposure import service as exposure
from portal.identity.ports import StoreFault
from portal.identity.service import external_store, is_external
from portal.incidents import service as incidents
from portal.reset.models import ResetRun
from portal.reset.require.cohorts import Cohort, Everyone, ListReplaced, Tools, listed
from portal.reset.require.jobs import Tally
from portal.reset.require.preview import preview
from portal.reset.require.run import Progress, require
from portal.reset.runs import service
from portal.reset.runs.service import State
from portal.runtime.parts import WorkerParts
from portal.staff.orders import Refused

log = logging.getLogger("portal.reset")

# A run that shows no progress for so long has lost its worker.
LEASE = timedelta(minutes=2)
SHOWN_EVERY = 0.5  # seconds
_FAULTS: tuple[tuple[type[Exception], str], ...] = (
    (ListReplaced, "list-replaced"),
    (exposure.ListNotActive, "list-replaced"),
    (incidents.IncidentUnknown, "list-replaced"),
    (exposure.ListDestroyed, "list-unreadable"),
    (VaultError, "list-unreadable"),
    (StoreFault, "store"),
)


class Interrupted(BaseException):
    """This worker stops; the run goes on in the next one. Not an Exception: it is no fault of the run."""


class Runs:
    """Works on one run at a time."""

    def __init__(self, parts: WorkerParts) -> None:
        """Store the parts."""
        self._parts = parts

    def step(self) -> int:
        """Work on the run that waits longest; return whether there was one."""
        with self._parts.db.read() as session:
            waits = session.scalar(select(ResetRun.id).where(_due(self._parts.clock.now())).limit(1))
        if waits is None:
            return 0
        run = self._claim()
        if run is None:
            return 0
        lease = bytes(run.lease or b"")
        try:
            tally = self._do(run, lease)
        except Interrupted:
            with self._parts.db.write() as session:
                session.execute(update(ResetRun).where(ResetRun.lease == lease).values(lease=None))
            return 1
        except Exception as error:  # noqa: BLE001 - a run that cannot be done must not come back for ever
            self._failed(run.id, lease, error)
            return 1
        done = State.COUNTED if run.state == State.COUNTING else State.DONE
        self._end(run.id, lease, done, tally)
        return 1

    def _claim(self) -> ResetRun | None:
        now = self._parts.clock.now()
        with self._parts.db.write() as session:
            mine = select(ResetRun.id).where(_due(now)).order_by(ResetRun.asked_at).limit(1)
            found = session.scalar(mine.with_for_update(skip_locked=True))
            if found is None:
                return None
            try:
                run = service.verified(session, self._parts.vault, found)
            except Refused:
                log.error(
                    "reset: run %s was inserted or altered without the worker's keys, so it is not done; "
                    "find out who can write to the database",
                    found.hex(),
                )
                failed = {"state": State.FAILED.value, "fault": "altered"}
                session.execute(update(ResetRun).where(ResetRun.id == found).values(failed))
                return None
            run.lease, run.changed_at = new_id(), now
            return run

    def _do(self, run: ResetRun, lease: bytes) -> Tally:
        parts = self._parts
        store = external_store(parts.settings) if is_external(parts.settings) else None
        tools = Tools(parts.db.acting(json.loads(run.acting)), parts.vault, parts.clock, store)
        cohort: Cohort = listed(tools, run.subject) if run.subject else Everyone()
        if cohort.list_version != run.list_version:
            raise ListReplaced(cohort.list_version or 0)
        work = preview if run.state == State.COUNTING else require
        return work(tools, cohort, self._progress(run.id, lease, cohort.people))

    def _progress(self, run_id: bytes, lease: bytes, total: int) -> Progress:
        done, shown_at = 0, 0.0

        def show(people: int) -> None:
            nonlocal done, shown_at
            if self._parts.stopping():
                raise Interrupted
            done += people
            if monotonic() - shown_at < SHOWN_EVERY:
                return
            shown_at = monotonic()
            values = {"done": done, "total": total, "changed_at": self._parts.clock.now()}
            with self._parts.db.write() as session:
                held = (ResetRun.id == run_id) & (ResetRun.lease == lease)
                result: Any = session.execute(update(ResetRun).where(held).values(values))
                if not result.rowcount:
                    raise Interrupted

        return show

    def _failed(self, run_id: bytes, lease: bytes, error: Exception) -> None:
        fault = next((code for kind, code in _FAULTS if isinstance(error, kind)), "fault")
        where = frames(error) if fault == "fault" else ""
        log.error("reset: run %s failed (%s)%s", run_id.hex(), error_types(error), where)
        self._end(run_id, lease, State.FAILED, None, fault)

    def _end(self, run_id: bytes, lease: bytes, state: State, tally: Tally | None, fault: str = "") -> None:
        try:
            with self._parts.db.write() as session:
                run = service.verified(session, self._parts.vault, run_id)
                if bytes(run.lease or b"") == lease:
                    run.fault = fault
                    service.end(self._parts.vault, run, state, tally, self._parts.clock.now())
        except Refused:
            log.error("reset: run %s was altered or removed while the worker did it", run_id.hex())


def _due(now: datetime) -> Any:
    open_ones = ResetRun.state.in_([State.COUNTING.value, State.APPROVED.value])
    return and_(open_ones, or_(ResetRun.lease.is_(None), ResetRun.changed_at < now - LEASE))
