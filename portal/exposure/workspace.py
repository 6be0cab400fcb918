"""The folder where an import sorts: one import at a time, and what a killed one left behind is removed."""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from sqlalchemy import make_url, text

from portal.core.db import Database

_LOCK = "lock"
_POSTGRES_LOCK = 0x706F7274616C


class ImportRunning(Exception):
    """Another import into this database is at work."""


class FolderUnsafe(Exception):
    """The folder for spill files belongs to somebody else."""


def folder_for(database_url: str) -> Path:
    """Return where imports into this database sort: beside an SQLite file, else in the temporary folder."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        database = Path(str(url.database)).absolute()
        return database.with_name(f"{database.name}.import")
    name = blake2b(database_url.encode(), digest_size=6).hexdigest()
    return Path(tempfile.gettempdir()) / f"portal-import-{name}"


@contextmanager
def workspace(db: Database, database_url: str) -> Iterator[Path]:
    """Yield an empty folder of our own that no other import uses; it is removed afterwards.

    Raises ImportRunning or FolderUnsafe. The locks die with the process, so a killed import blocks nobody.
    """
    folder = folder_for(database_url)
    lock = _locked(folder)
    try:
        with _database_lock(db):
            _empty(folder)
            try:
                yield folder
            finally:
                _empty(folder)
                (folder / _LOCK).unlink()
                folder.rmdir()
    finally:
        os.close(lock)


def _locked(folder: Path) -> int:
    """Return the locked descriptor of the folder's lock file, which is still the one that others would find."""
    while True:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise FolderUnsafe(f"{folder} must be a folder of your own that nobody else may enter")
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:
            continue  # an import that ended this moment removed the folder
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise ImportRunning from None
        if (folder / _LOCK).exists() and (folder / _LOCK).stat().st_ino == os.fstat(lock).st_ino:
            return lock
        os.close(lock)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != _LOCK:
            path.unlink()


@contextmanager
def _database_lock(db: Database) -> Iterator[None]:
    if db.is_sqlite:
        yield
        return
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        taken = connection.execute(
            text("SELECT pg_try_advisory_lock(:key)"), {"key": _POSTGRES_LOCK}
        ).scalar_one()
        if not taken:
            raise ImportRunning
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _POSTGRES_LOCK})
