"""The rows of counts and resets that the console asked for; only the worker writes them."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from hmac import compare_digest
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core.db import AUDITED, new_id
from portal.core.faults import parsed
from portal.crypto.vault import WorkerVault
from portal.exposure import service as exposure
from portal.incidents import service as incidents
from portal.reset.models import ResetRun
from portal.reset.require.cohorts import EVERYONE
from portal.reset.require.jobs import Tally
from portal.staff.orders import Refused


class State(StrEnum):
    """What became of a run. The values enter row MACs: they stay."""

    COUNTING = "counting"
    COUNTED = "counted"
    APPROVED = "approved"
    DONE = "done"
    FAILED = "failed"


def begin(session: Session, vault: WorkerVault, subject: str, total: int, now: datetime) -> ResetRun:
    """Add a count for the active list of an incident (its slug), or for everyone. Raises Refused."""
    run = ResetRun(
        id=new_id(),
        subject=subject,
        list_version=_active_version(session, subject),
        state=State.COUNTING.value,
        tally="",
        acting=_acting(session),
        asked_at=now.replace(microsecond=0),
        changed_at=now,
        done=0,
        total=total,
        fault="",
    )
    run.row_mac = _mac(vault, run)
    session.add(run)
    return run


def newest(session: Session, limit: int = 20) -> list[ResetRun]:
    """Return the newest runs, the last first; nothing is verified."""
    return list(session.scalars(select(ResetRun).order_by(ResetRun.asked_at.desc()).limit(limit)))


def verified(session: Session, vault: WorkerVault, run_id: bytes) -> ResetRun:
    """Return a run whose row the worker wrote, locked until the transaction ends. Raises Refused."""
    run = session.get(ResetRun, run_id, with_for_update=True)
    if run is None or not compare_digest(bytes(run.row_mac), _mac(vault, run)):
        raise Refused("reset-run")
    return run


def describe(session: Session, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what a reset would do: whose passwords, and the counts by fate. Raises Refused."""
    run = _row(session, fields)
    if run.state != State.COUNTED:
        raise Refused("reset-run")
    if _active_version(session, run.subject) != run.list_version:
        raise Refused("reset-list")
    counted: dict[str, int] = parsed(run.tally, "reset_runs", run.id)
    return {
        "reset_of": run.subject or "*",
        "list_version": "" if run.list_version is None else str(run.list_version),
        "counted_at": f"{run.changed_at:%Y-%m-%d %H:%M} UTC",
        **{f"reset_{name}": number for name, number in counted.items()},
    }


def is_counted(session: Session, vault: WorkerVault, fields: Mapping[str, str]) -> bool:
    """Return whether a reset is to be done yet, and was not begun before a crash. Raises Refused."""
    run = _found(session, vault, fields)
    if run.state in (State.APPROVED, State.DONE):
        return False
    if run.state != State.COUNTED:
        raise Refused("reset-run")
    return True


def approve(session: Session, vault: WorkerVault, fields: Mapping[str, str], now: datetime) -> None:
    """Have a counted reset done. Raises Refused."""
    run = _found(session, vault, fields)
    run.acting, run.done = _acting(session), 0
    change(vault, run, State.APPROVED, now)


def end(vault: WorkerVault, run: ResetRun, state: State, tally: Tally | None, now: datetime) -> None:
    """Store what a run came to."""
    if tally is not None:
        run.tally = json.dumps(asdict(tally), sort_keys=True)
    change(vault, run, state, now)


def change(vault: WorkerVault, run: ResetRun, state: State, now: datetime) -> None:
    """Store another state, and give the run back."""
    run.state, run.changed_at, run.lease = state.value, now, None
    run.row_mac = _mac(vault, run)


def _found(session: Session, vault: WorkerVault, fields: Mapping[str, str]) -> ResetRun:
    try:
        return verified(session, vault, bytes.fromhex(fields["run"]))
    except ValueError as error:
        raise Refused("reset-run") from error


def _row(session: Session, fields: Mapping[str, str]) -> ResetRun:
    try:
        run = session.get(ResetRun, bytes.fromhex(fields["run"]))
    except ValueError:
        run = None
    if run is None:
        raise Refused("reset-run")
    return run


def _active_version(session: Session, subject: str) -> int | None:
    if subject == EVERYONE:
        return None
    try:
        version = exposure.active(session, incidents.by_slug(session, subject).id)
    except incidents.IncidentUnknown as error:
        raise Refused("reset-list") from error
    if version is None:
        raise Refused("reset-list")
    return version.number


def _acting(session: Session) -> str:
    return json.dumps(session.info.get(AUDITED, {}), sort_keys=True)


def _mac(vault: WorkerVault, run: ResetRun) -> bytes:
    return vault.row_mac(
        "reset run",
        run.id,
        run.subject,
        -1 if run.list_version is None else run.list_version,
        run.state,
        run.tally,
        run.acting,
        int(run.asked_at.timestamp()),
    )
