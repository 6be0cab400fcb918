"""The rows of tasks: begin one, verify it, and store what became of it."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from portal.campaigns.tasks.models import EXPORT, OVER, READY, TAKEN, WAITING, NoticeTask
from portal.core.db import AUDITED, new_id
from portal.crypto.vault import Cell, WorkerVault
from portal.staff.orders import Refused

# A task that shows no progress for so long has lost its worker.
LEASE = timedelta(minutes=2)
# How long after it was made a file can be taken, once.
KEPT = timedelta(hours=1)
KEY_SIZES = (64,)


def begin(
    session: Session,
    vault: WorkerVault,
    kind: str,
    incident_id: bytes,
    fields: Mapping[str, Any],
    now: datetime,
    *,
    notice: int = 0,
    task_id: bytes | None = None,
) -> NoticeTask:
    """Add a task for the worker's long work."""
    task = NoticeTask(
        id=task_id or new_id(),
        kind=kind,
        incident_id=incident_id,
        notice=notice,
        state=WAITING,
        fields=json.dumps(fields, sort_keys=True),
        acting=json.dumps(session.info.get(AUDITED, {}), sort_keys=True),
        asked_at=now,
        changed_at=now,
        people=0,
        chunks=0,
    )
    task.row_mac = _mac(vault, task)
    session.add(task)
    session.flush()
    return task


def verified(session: Session, vault: WorkerVault, task_id: bytes) -> NoticeTask:
    """Return a task whose row the worker wrote, locked until the transaction ends. Raises Refused."""
    task = session.get(NoticeTask, task_id, with_for_update=True)
    if task is None or not compare_digest(bytes(task.row_mac), _mac(vault, task)):
        raise Refused("notice-task")
    return task


def change(vault: WorkerVault, task: NoticeTask, state: str, now: datetime) -> None:
    """Store another state, and give the task back."""
    task.state, task.changed_at, task.lease = state, now, None
    task.row_mac = _mac(vault, task)


def take(session: Session, vault: WorkerVault, task: NoticeTask, by: str, now: datetime) -> bytes:
    """Return the key of a file to who asked for it, once: then nothing opens it. Raises Refused."""
    if task.kind != EXPORT or task.state != READY or task.file_key is None:
        raise Refused("file-gone")
    if now >= task.changed_at + KEPT:
        raise Refused("file-gone")
    if json.loads(task.acting).get("by") != by:
        raise Refused("file-not-yours")
    key = vault.decrypt(key_cell(task), task.file_key)
    task.file_key = None
    change(vault, task, TAKEN, now)
    session.flush()
    return key


def end_file(vault: WorkerVault, task: NoticeTask, now: datetime) -> None:
    """Destroy the key of a file that nobody took."""
    task.file_key = None
    change(vault, task, OVER, now)


def key_cell(task: NoticeTask) -> Cell:
    """Return the place of the key of a file."""
    return Cell("notice_tasks", "file_key", task.id)


def due(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a task is to be worked on."""
    free = or_(NoticeTask.lease.is_(None), NoticeTask.changed_at < now - LEASE)
    return and_(NoticeTask.state == WAITING, free)


def held(session: Session, task_id: bytes, lease: bytes, values: Mapping[str, Any]) -> bool:
    """Change a task's progress; return whether this worker still holds it."""
    mine = (NoticeTask.id == task_id) & (NoticeTask.lease == lease)
    result: Any = session.execute(update(NoticeTask).where(mine).values(**values))
    return bool(result.rowcount)


def exports(session: Session, incident_id: bytes, notice: int) -> list[NoticeTask]:
    """Return the files that were asked for of one notice, the newest first; nothing is verified."""
    mine = (NoticeTask.incident_id == incident_id) & (NoticeTask.kind == EXPORT)
    of = select(NoticeTask).where(mine & (NoticeTask.notice == notice))
    return list(session.scalars(of.order_by(NoticeTask.asked_at.desc())))


def next_copy(session: Session, incident_id: bytes, notice: int) -> int:
    """Return the number that the next file of a notice gets."""
    mine = (NoticeTask.incident_id == incident_id) & (NoticeTask.kind == EXPORT)
    return (session.scalar(select(func.count()).where(mine & (NoticeTask.notice == notice))) or 0) + 1


def _mac(vault: WorkerVault, task: NoticeTask) -> bytes:
    return vault.row_mac(
        "notice task",
        task.id,
        task.kind,
        task.incident_id,
        task.notice,
        task.state,
        task.fields,
        task.acting,
        int(task.asked_at.timestamp()),
        task.people,
        task.chunks,
        task.file_key or b"",
    )
