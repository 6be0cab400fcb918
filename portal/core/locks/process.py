"""Let one process at a time do something with a database; the lock ends with the process that holds it."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from portal.core.db import FILE_MODE, Database, sqlite_file

OWNER_MODE = 0o600


def process_lock(
    db: Database, name: str, number: int, error: type[Exception]
) -> AbstractContextManager[None]:
    """Return a lock that one thread of one process can hold; the others get `error`.

    On SQLite it is a file beside the database, which ends in `name`, on PostgreSQL an advisory lock of a
    `number` of 64 bits. Entering raises OSError where the file cannot be opened.
    """
    file = sqlite_file(db.engine.url)
    return _advisory_lock(db, number, error) if file is None else _file_lock(file, name, error)


@contextmanager
def _file_lock(database: Path, name: str, error: type[Exception]) -> Iterator[None]:
    path = database.with_name(f"{database.name}.{name}")
    # Whoever may read the lock file can hold it, so it is only for those who may write the database.
    lock = _locked(path, FILE_MODE if database.stat().st_mode & stat.S_IWGRP else OWNER_MODE, error)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def _locked(path: Path, mode: int, error: type[Exception]) -> int:
    """Return the descriptor of a locked file that is still the one at `path`. Raises `error`."""
    while True:
        # Read access is enough to lock: a file left behind by another user's killed process is no obstacle.
        lock = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, OWNER_MODE)
        if os.fstat(lock).st_uid == os.geteuid():
            os.fchmod(lock, mode)  # whatever the umask; a former version created it for everyone
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise error from None
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(lock).st_ino:
                return lock
        os.close(lock)  # who held the lock has just removed the file


@contextmanager
def _advisory_lock(db: Database, number: int, error: type[Exception]) -> Iterator[None]:
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        key = {"key": number}
        if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar_one():
            raise error
        try:
            yield
        finally:
            try:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)
            except DBAPIError:
                connection.invalidate()  # the lock ends with its connection, and what was done is done
