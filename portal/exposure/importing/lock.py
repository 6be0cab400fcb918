"""Let one import into a database run at a time."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from sqlalchemy import text

from portal.core.db import FILE_MODE, Database, sqlite_file

OWNER_MODE = 0o600
_POSTGRES_LOCK = 0x706F7274616C


class ImportRunning(Exception):
    """Another import into this database is running."""


def import_lock(db: Database) -> AbstractContextManager[None]:
    """Return a lock that one import into this database at a time can hold; the others get ImportRunning.

    The lock is released when the process ends, so a killed import blocks nothing.
    """
    file = sqlite_file(db.engine.url)
    return _advisory_lock(db) if file is None else _file_lock(file)


@contextmanager
def _file_lock(database: Path) -> Iterator[None]:
    path = database.with_name(f"{database.name}.import-lock")
    # Whoever may read the lock file can hold it, so it is only for those who may write the database.
    lock = _locked(path, FILE_MODE if database.stat().st_mode & stat.S_IWGRP else OWNER_MODE)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def _locked(path: Path, mode: int) -> int:
    """Return the descriptor of a locked file that is still the one at `path`. Raises ImportRunning."""
    while True:
        # Read access is enough to lock: a file left behind by the other user's killed import is no obstacle.
        lock = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, OWNER_MODE)
        if os.fstat(lock).st_uid == os.geteuid():
            os.fchmod(lock, mode)  # whatever the umask; a former version created it for everyone
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise ImportRunning from None
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(lock).st_ino:
                return lock
        os.close(lock)  # the import that held the lock has just removed the file


@contextmanager
def _advisory_lock(db: Database) -> Iterator[None]:
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        key = {"key": _POSTGRES_LOCK}
        if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar_one():
            raise ImportRunning
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)
