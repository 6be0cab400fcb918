"""Copy the database into an SQLite file, with keys for a web server of its own."""

from dataclasses import replace
from pathlib import Path

from sqlalchemy import delete, insert, select, text
from sqlalchemy.orm import Session

import portal.app  # noqa: F401 - brings in every feature's tables
from portal.core.db import Base, Database, sqlite_file
from portal.crypto import keys
from portal.intake.models import IntakeRequest
from portal.outbox.models import QUEUED, SENDING, MailPause, OutboxMail
from portal.runtime import backup, schema
from portal.staff.approvals.models import Approval
from portal.staff.approvals.service import State

ROWS = 1_000


def size(db: Database) -> int:
    """Return the bytes that the database takes on its disk."""
    file = sqlite_file(db.engine.url)
    if file is not None:
        beside = (file.with_name(f"{file.name}{end}") for end in ("", *backup.SIDE_FILES))
        return sum(path.stat().st_size for path in beside if path.exists())
    with db.read() as session:
        return int(session.scalar(text("SELECT pg_database_size(current_database())")) or 0)


def copy(db: Database, file: Path) -> None:
    """Write a consistent copy to a new SQLite file, without what waits for the real worker.

    A mail that waits has a link that opens the real portal, and must not come out in a rehearsal's mailbox.
    Raises BackupRefused, OSError, DBAPIError.
    """
    target = Database(f"sqlite:///{file}")
    try:
        if db.is_sqlite:
            backup.save(db, file)
        else:
            schema.upgrade(target)
            with db.snapshot() as source, target.write() as session:
                _copy_tables(source, session)
        with target.write() as session:
            session.execute(delete(OutboxMail).where(OutboxMail.state.in_([QUEUED, SENDING])))
            session.execute(delete(IntakeRequest))
            session.execute(delete(MailPause))
            session.execute(delete(Approval).where(Approval.state == State.APPROVED))  # being done
    finally:
        target.dispose()


def _copy_tables(source: Session, target: Session) -> None:
    for table in reversed(Base.metadata.sorted_tables):
        target.execute(delete(table))  # what migrations put there
    for table in Base.metadata.sorted_tables:
        rows = source.execute(select(table).execution_options(yield_per=ROWS)).mappings()
        for part in rows.partitions(ROWS):
            target.execute(insert(table), [dict(row) for row in part])


def write_keys(worker_file: Path, folder: Path) -> tuple[Path, Path]:
    """Write both key files of the copy into a folder; return the web server's and the worker's.

    The web server's own file belongs to another user. All in it but the session secret is the worker's too,
    and people's sessions must not open in a rehearsal. Raises KeysInvalid.
    """
    worker = keys.read_worker(worker_file)
    web = replace(
        keys.generate()[0],
        key_id=worker.key_id,
        account_index=worker.account_index,
        sealing_public=worker.sealing_public,
    )
    files = folder / "web.json", folder / "worker.json"
    keys.write_pair(web, worker, *files)
    return files
