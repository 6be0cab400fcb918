"""Copies of an SQLite database: made while everything runs, and put back while nothing does."""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from urllib.parse import quote

from portal.core.db import FILE_MODE, Database
from portal.crypto import self_test
from portal.crypto.vault import WorkerVault

# Where SQLite locks: whoever has the file open as a database in WAL mode holds a lock in here all the time.
_LOCKED_FROM, _LOCKED_BYTES = 0x4000_0000, 512
BESIDE = ("-wal", "-shm", "-journal")


class BackupRefused(Exception):
    """The copy was not made or not put back, and nothing was changed; the message says why."""


def save(db: Database, target: Path) -> None:
    """Write a copy of the database as it is at this moment, whole in itself, for its owner alone to read.

    Raises BackupRefused, OSError.
    """
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except FileExistsError as error:
        raise BackupRefused(
            f"{target} exists. A backup is never overwritten: choose another name."
        ) from error
    try:
        with closing(db.engine.raw_connection()) as connection:
            # An empty file is taken as the target, and keeps its mode.
            connection.cursor().execute("VACUUM INTO ?", (str(target.absolute()),))
        _sync(target)
    except BaseException:
        target.unlink()
        raise


def put_back(copy: Path, target: Path, vault: WorkerVault) -> None:
    """Put a copy in the place of the database, after it was seen to be whole and of these keys.

    Whatever fails, the former database stays; what is in its place at the end, both users can write. Raises
    BackupRefused, OSError.
    """
    if target.exists() and copy.samefile(target):
        raise BackupRefused(f"{copy} is the database itself.")
    descriptor, name = mkstemp(dir=target.parent, prefix=f".{target.name}.")
    waiting = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as writing, copy.open("rb") as reading:
            shutil.copyfileobj(reading, writing, 1 << 20)
        _examine(waiting, copy, vault)
        os.chown(waiting, -1, target.parent.stat().st_gid)
        waiting.chmod(FILE_MODE)
        _sync(waiting)
        with _alone(target), _without_what_lies_beside(target):
            waiting.replace(target)
            _sync(target.parent)
    finally:
        for path in (waiting, *(waiting.with_name(f"{waiting.name}{end}") for end in BESIDE)):
            path.unlink(missing_ok=True)


def _examine(waiting: Path, copy: Path, vault: WorkerVault) -> None:
    """See that the copy is whole, the portal's, and written with these keys."""
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(waiting))}?mode=ro&immutable=1", uri=True)
        ) as connection:
            whole = connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
            connection.execute("SELECT version_num FROM alembic_version").fetchone()
            row = connection.execute("SELECT sealed FROM key_canary").fetchone()
    except sqlite3.Error as error:
        raise BackupRefused(f"{copy} is not a whole database of the portal. Nothing was changed.") from error
    if not whole:
        raise BackupRefused(f"{copy} is damaged. Nothing was changed.")
    if row is not None and not self_test.opens(row[0], vault):
        raise BackupRefused(
            f"{copy} was written with other keys than PORTAL_WORKER_KEYS_FILE names: put those back first. "
            "Nothing was changed."
        )


@contextmanager
def _without_what_lies_beside(target: Path) -> Iterator[None]:
    """Move aside what belongs to the former database, and would be written into the other one; back where that fails.

    It may hold the last commits of a process that was killed. Who is killed in here leaves it as `.NAME.former-wal`.
    """
    moved: list[tuple[Path, Path]] = []
    try:
        for end in BESIDE:
            beside, aside = (
                target.with_name(f"{name}{end}") for name in (target.name, f".{target.name}.former")
            )
            with suppress(FileNotFoundError):
                beside.replace(aside)
                moved.append((beside, aside))
        yield
    except BaseException:
        for beside, aside in moved:
            aside.replace(beside)
        raise
    for _, aside in moved:
        aside.unlink()


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Hold the lock that SQLite takes to have a database for itself, even where the file is damaged."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCKED_BYTES, _LOCKED_FROM)
        except OSError as error:
            raise BackupRefused(
                "Somebody has the database open: stop the web server and the worker first. Nothing was "
                "changed."
            ) from error
        yield
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    """Bring a file, or a folder's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
