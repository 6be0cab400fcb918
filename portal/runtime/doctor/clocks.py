"""Compare this machine's clock with whatever else tells the time; nobody outside is asked."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core.clock import Clock
from portal.core.db import Database, sqlite_file
from portal.runtime.doctor.findings import NOTE, Finding, judged
from portal.runtime.heartbeat import Heartbeat, database_time

APART = timedelta(minutes=1)
_ASK_SECONDS = 2


def check(db: Database, clock: Clock) -> Iterator[Finding]:
    """Yield what is wrong with the clock, beside what the database and its rows tell."""
    with db.read() as session:
        now = clock.now()
        ahead = (now - database_time(session, now)).total_seconds()
        fault = difference(ahead, "the database server") or _rows_of_tomorrow(session, now)
    if fault is None and (file := sqlite_file(db.engine.url)) is not None:
        fault = _disk(file)
    yield judged("clock", fault)
    if _is_synchronised() is False:
        yield Finding(
            "clock", NOTE, "nothing keeps this machine's clock right; run: timedatectl set-ntp true"
        )


def difference(ahead: float, other: str) -> str | None:
    """Return that this machine's clock and another's are too far apart, or None."""
    if abs(ahead) <= APART.total_seconds():
        return None
    size = timedelta(seconds=round(abs(ahead)))
    return (
        f"this machine's clock is {size} {'ahead of' if ahead > 0 else 'behind'} that of {other}; "
        "set the wrong one right: timedatectl set-ntp true"
    )


def _rows_of_tomorrow(session: Session, now: datetime) -> str | None:
    """A worker wrote its row by another clock, or this one was set back since."""
    newest = session.scalar(select(Heartbeat.seen_at).order_by(Heartbeat.seen_at.desc()).limit(1))
    limit = database_time(session, now) + APART
    if newest is None or newest <= limit:
        return None
    return (
        f"a worker was seen at {newest:%Y-%m-%d %H:%M} UTC, and this machine's clock says "
        f"{now:%Y-%m-%d %H:%M}: one of both was wrong. Set it right (timedatectl), and restart the worker"
    )


def _disk(file: Path) -> str | None:
    """Compare with the time that the disk's machine gave to the row that was just written."""
    written = [path.stat().st_mtime for path in (file, file.with_name(f"{file.name}-wal")) if path.exists()]
    return difference(time.time() - max(written), f"the disk of {file}") if written else None


def _is_synchronised() -> bool | None:
    """Return what systemd says about it; None where it does not know."""
    program = shutil.which("timedatectl")
    if program is None:
        return None
    try:
        said = subprocess.run(  # noqa: S603 - found on the PATH of whoever runs the command
            [program, "show", "--property=NTPSynchronized", "--value"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_ASK_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(said.stdout.strip())
