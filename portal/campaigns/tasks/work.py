"""The worker's long work for the notices' pages, one task at a time."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from time import monotonic
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.campaigns.tasks import drafting, exporting, service
from portal.campaigns.tasks.models import DRAFT, FAILED, NoticeTask
from portal.core.db import new_id
from portal.core.faults import error_types, frames
from portal.crypto.vault import VaultError
from portal.exposure.service import ListDestroyed
from portal.runtime.parts import WorkerParts
from portal.staff.orders import Refused

log = logging.getLogger("portal.campaigns")

SHOWN_EVERY = 0.5  # seconds


class Interrupted(BaseException):
    """This worker stops, or another has the task: nothing more is done with it here.

    Not an Exception: it is no fault of the task.
    """


class Tasks:
    """Works on one task at a time."""

    def __init__(self, parts: WorkerParts) -> None:
        """Store the parts."""
        self._parts = parts

    def step(self) -> int:
        """Work on the task that waits longest; return whether there was one."""
        with self._parts.db.read() as session:
            waits = session.scalar(select(NoticeTask.id).where(service.due(self._parts.clock.now())).limit(1))
        if waits is None:
            return 0
        task = self._claim()
        if task is None:
            return 0
        lease = bytes(task.lease or b"")
        try:
            self._do(task, lease)
        except Interrupted:
            with self._parts.db.write() as session:
                session.execute(update(NoticeTask).where(NoticeTask.lease == lease).values(lease=None))
        except Refused as error:
            self._failed(task.id, lease, error.reason)
        except (ListDestroyed, VaultError) as error:
            log.error("campaigns: task %s: a list cannot be read (%s)", task.id.hex(), error_types(error))
            self._failed(task.id, lease, "no-list")
        except Exception as error:  # noqa: BLE001 - a task that cannot be done must not come back for ever
            log.error("campaigns: task %s failed (%s)%s", task.id.hex(), error_types(error), frames(error))
            self._failed(task.id, lease, "fault")
        return 1

    def _claim(self) -> NoticeTask | None:
        now = self._parts.clock.now()
        with self._parts.db.write() as session:
            mine = select(NoticeTask.id).where(service.due(now)).order_by(NoticeTask.asked_at).limit(1)
            found = session.scalar(mine.with_for_update(skip_locked=True))
            if found is None:
                return None
            try:
                task = service.verified(session, self._parts.vault, found)
            except Refused:
                log.error(
                    "campaigns: task %s was inserted or altered without the worker's keys, so it is not "
                    "done; find out who can write to the database",
                    found.hex(),
                )
                altered = {"state": FAILED, "fault": "notice-task"}
                session.execute(update(NoticeTask).where(NoticeTask.id == found).values(altered))
                return None
            task.lease, task.changed_at = new_id(), now
            return task

    def _do(self, task: NoticeTask, lease: bytes) -> None:
        parts = replace(self._parts, db=self._parts.db.acting(json.loads(task.acting)))
        run = drafting.run if task.kind == DRAFT else exporting.make
        store = run(parts, task, self._shown(task.id, lease))
        with parts.db.write() as session:
            held = service.verified(session, parts.vault, task.id)
            if bytes(held.lease or b"") != lease:
                raise Interrupted
            state = store(session, held)
            service.change(parts.vault, held, state, parts.clock.now())

    def _shown(self, task_id: bytes, lease: bytes) -> Callable[..., None]:
        """Return what shows the progress, and keeps the lease; `more` is stored in the same transaction."""
        done, shown_at = 0, 0.0

        def show(people: int, total: int, more: Callable[[Session], object] | None = None) -> None:
            nonlocal done, shown_at
            if self._parts.stopping():
                raise Interrupted
            done += people
            if more is None and monotonic() - shown_at < SHOWN_EVERY:
                return
            shown_at = monotonic()
            values: dict[str, Any] = {"done": done, "total": total, "changed_at": self._now()}
            with self._parts.db.write(durable=more is not None) as session:
                if not service.held(session, task_id, lease, values):
                    raise Interrupted
                if more is not None:
                    more(session)

        return show

    def _failed(self, task_id: bytes, lease: bytes, fault: str) -> None:
        try:
            with self._parts.db.write() as session:
                task = service.verified(session, self._parts.vault, task_id)
                if bytes(task.lease or b"") == lease:
                    task.fault = fault[:30]
                    service.change(self._parts.vault, task, FAILED, self._now())
        except Refused:
            log.error("campaigns: task %s was altered or removed while the worker did it", task_id.hex())

    def _now(self) -> datetime:
        return self._parts.clock.now()
