"""Back up the database while the portal runs; restore an SQLite database while it is stopped."""

import fcntl
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from urllib.parse import quote

from sqlalchemy import URL

from portal.core.db import FILE_MODE, Database, sqlite_file
from portal.core.disk_space import free_bytes, readable
from portal.crypto import self_test
from portal.crypto.vault import WorkerVault

# SQLite's lock bytes: a process with the file open in WAL mode holds a lock in this range all the time.
_LOCKED_FROM, _LOCKED_BYTES = 0x4000_0000, 512
SIDE_FILES = ("-wal", "-shm", "-journal")


class BackupRefused(Exception):
    """The backup or restore was refused and nothing was changed; the message says why."""


def save(db: Database, target: Path) -> None:
    """Write a consistent copy of the database to a new file with mode 0600. Raises BackupRefused, OSError.

    Of PostgreSQL, the archive that `pg_dump --format=custom` makes.
    """
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except FileExistsError as error:
        raise BackupRefused(
            f"{target} exists. Backups are never overwritten: choose another name."
        ) from error
    try:
        if db.is_sqlite:
            with closing(db.engine.raw_connection()) as connection:
                # VACUUM INTO accepts an existing empty file, and keeps its mode.
                connection.cursor().execute("VACUUM INTO ?", (str(target.absolute()),))
        else:
            _dump(db.engine.url, target)
        _sync(target)
    except BaseException as error:
        target.unlink()
        if isinstance(error, sqlite3.Error):
            raise BackupRefused(_why_not(error, db, target)) from error
        raise


def _why_not(error: sqlite3.Error, db: Database, target: Path) -> str:
    free = readable(free_bytes(target.absolute().parent))
    file = sqlite_file(db.engine.url)
    needed = "?" if file is None else readable(file.stat().st_size)
    return (
        f"{target} could not be written ({error.sqlite_errorname}): the database has {needed}, "
        f"and the disk of the backup has {free} left. No backup was made. "
        "Free some space, or name a file on another disk."
    )


def vacuum(db: Database) -> None:
    """Rewrite the database, so that what was deleted or replaced is not in its files. Raises BackupRefused.

    SQLite needs twice its size of free disk, and nothing can be written meanwhile. PostgreSQL needs it once,
    and locks each table.
    """
    if not db.is_sqlite:
        with db.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as postgres:
            postgres.exec_driver_sql("VACUUM FULL")
            # The tables of what people do, in the order of their keys instead of that of their visits.
            postgres.exec_driver_sql("CLUSTER")
        return
    folder = str(Path(str(db.engine.url.database)).absolute().parent).replace("'", "''")
    with closing(db.engine.raw_connection()) as connection:
        cursor = connection.cursor()
        try:
            # The copy would be held in memory, as other temporary tables are, or fill the folder for those.
            cursor.execute("PRAGMA temp_store=FILE")
            cursor.execute(f"PRAGMA temp_store_directory='{folder}'")
            cursor.execute("VACUUM")
            busy, _frames, _moved = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise BackupRefused(
                f"The database could not be rewritten ({error.sqlite_errorname}). Nothing was changed. "
                "It needs free disk of twice the database's size, and no other process may write meanwhile: "
                "free some space, stop the services, and run this again."
            ) from error
    if busy:
        raise BackupRefused(
            "The database was rewritten, but another process is reading its log (the file ending in -wal), "
            "which still holds the former content. Run this again."
        )


def _dump(url: URL, target: Path) -> None:
    """Run pg_dump. The password goes by its environment: every user of this machine may read arguments."""
    password = {"PGPASSWORD": str(url.password)} if url.password else {}
    address = url.set(drivername="postgresql", password=None).render_as_string()
    try:
        subprocess.run(  # noqa: S603 - the address is the operator's own setting
            ["pg_dump", "--format=custom", f"--file={target}", f"--dbname={address}"],  # noqa: S607
            env=os.environ | password,
            check=True,
        )
    except FileNotFoundError as error:
        raise BackupRefused(
            "pg_dump is not installed, or not in PATH: install the PostgreSQL client (postgresql-client) "
            "of the server's version."
        ) from error
    except subprocess.CalledProcessError as error:
        raise BackupRefused(
            f"pg_dump failed with status {error.returncode}; its message is above."
        ) from error


def restore(copy: Path, target: Path, vault: WorkerVault) -> None:
    """Replace the database with a copy, after checking that it is intact and written with these keys.

    On any failure the former database stays. The new file is writable for the group, so for both of the
    portal's users. Raises BackupRefused, OSError.
    """
    if target.exists() and copy.samefile(target):
        raise BackupRefused(f"{copy} is the database itself.")
    descriptor, name = mkstemp(dir=target.parent, prefix=f".{target.name}.")
    staged = Path(name)
    try:
        try:
            with os.fdopen(descriptor, "wb") as destination, copy.open("rb") as source:
                shutil.copyfileobj(source, destination, 1 << 20)
        except OSError as error:
            raise BackupRefused(
                f"{copy} could not be copied to the disk of {target} ({error.strerror}). Nothing was changed."
            ) from error
        _examine(staged, copy, vault)
        os.chown(staged, -1, target.parent.stat().st_gid)
        staged.chmod(FILE_MODE)
        _sync(staged)
        with _exclusive_lock(target), _side_files_moved(target):
            staged.replace(target)
            _sync(target.parent)
    finally:
        for path in (staged, *(staged.with_name(f"{staged.name}{end}") for end in SIDE_FILES)):
            path.unlink(missing_ok=True)


def _examine(staged: Path, copy: Path, vault: WorkerVault) -> None:
    """Raise BackupRefused unless the copy is intact, the portal's, and written with these keys."""
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(staged))}?mode=ro&immutable=1", uri=True)
        ) as connection:
            intact = connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
            connection.execute("SELECT version_num FROM alembic_version").fetchone()
            row = connection.execute("SELECT sealed FROM key_canary").fetchone()
    except sqlite3.Error as error:
        raise BackupRefused(
            f"{copy} is not a complete database of the portal. Nothing was changed."
        ) from error
    if not intact:
        raise BackupRefused(
            f"{copy} is corrupt (PRAGMA integrity_check). Nothing was changed: use an older backup."
        )
    if row is not None and not self_test.opens(row[0], vault):
        raise BackupRefused(
            f"{copy} was written with other keys than those in PORTAL_WORKER_KEYS_FILE. "
            "Nothing was changed: restore its keys from your offline copy first."
        )


@contextmanager
def _side_files_moved(target: Path) -> Iterator[None]:
    """Move the former database's -wal, -shm and -journal files aside; delete them at the end.

    SQLite would apply them to the new file. They may hold the last commits of a killed process, so on an
    error they are moved back. A process killed in here leaves them as `.NAME.former-wal` and so on.
    """
    moved: list[tuple[Path, Path]] = []
    try:
        for end in SIDE_FILES:
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
def _exclusive_lock(file: Path) -> Iterator[None]:
    """Hold the lock by which SQLite excludes all other processes; works on a corrupt file too."""
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
                "Another process has the database open. Nothing was changed: stop portal serve, "
                "portal worker and portal console, then run this again."
            ) from error
        yield
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    """fsync a file, or a folder after a rename in it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
