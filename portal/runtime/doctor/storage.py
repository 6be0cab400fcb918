"""Check the database, the disks and the worker, as far as this user can see them."""

import grp
import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from portal.core.db import Database, sqlite_file
from portal.core.disk_space import free_bytes, readable
from portal.core.faults import database_cause, database_message, is_read_only
from portal.runtime import heartbeat, schema, storage_check
from portal.runtime.context import Context
from portal.runtime.doctor.findings import NOTE, WRONG, Finding, judged

# A form's upload or an import's sorting needs this much there.
MIN_TEMPORARY_BYTES = 10_000_000
_TWO_USERS = "see 'Two users' in the operator's guide"
# What PostgreSQL or its driver says, and what to do about it.
_REMEDIES = (
    ("password authentication failed", "set that user's password in PORTAL_DATABASE_URL, or in PostgreSQL"),
    ("no password supplied", "add the user's password to PORTAL_DATABASE_URL"),
    (
        "Peer authentication failed",
        "run as that system user, or create its role: deploy/postgresql/create.sql",
    ),
    ("no pg_hba.conf entry", "let this machine in: pg_hba.conf of PostgreSQL"),
    ("database", "does not exist", "create it: deploy/postgresql/create.sql, or createdb"),
    ("role", "does not exist", "create it: deploy/postgresql/create.sql, or createuser"),
    ("Connection refused", "is PostgreSQL running there? systemctl status postgresql"),
    ("No such file or directory", "is PostgreSQL running there? systemctl status postgresql"),
    ("timeout expired", "is PostgreSQL running there, and does the firewall let this machine in?"),
    ("resolve host name", "correct the host in PORTAL_DATABASE_URL"),
)


def fault_of_database(context: Context) -> str | None:
    """Return why the database cannot be read or written, or None."""
    file = sqlite_file(make_url(context.settings.database_url))
    try:
        if (fault := schema.fault_of(context.database)) is not None:
            return fault
    except DBAPIError as error:
        if file is not None and (closed := _closed_folder(file)) is not None:
            return f"{closed} ({database_cause(error)})"
        if file is not None and is_read_only(error):
            return _closed_file(file, error)
        return f"does not answer ({database_cause(error)}); {_remedy(database_cause(error))}"
    except OSError as error:
        closed = None if file is None else _closed_folder(file)
        return closed or f"cannot create its folder ({error.strerror}); see PORTAL_DATABASE_URL"
    try:
        storage_check.write_row(context.database, "doctor")
    except DBAPIError as error:
        return f"cannot be written: {_write_remedy(context.database, error)}"
    return storage_check.fault_of_disk(context.database)


def check_disks(context: Context) -> Iterator[Finding]:
    """Yield the findings about the room for the database and for temporary files."""
    folder = Path(tempfile.gettempdir())
    free = free_bytes(folder)
    full = f"{folder} is full ({readable(free)} left); free some space: imports sort there"
    yield judged("temporary folder", full if free < MIN_TEMPORARY_BYTES else None)
    file = sqlite_file(make_url(context.settings.database_url))
    try:
        if file is not None and file.exists():
            free = free_bytes(file.absolute().parent)
            yield Finding(f"disk of {file}", NOTE, f"{readable(free)} free")
    except OSError:  # said of the database
        return


def check_worker(context: Context) -> Iterator[Finding]:
    """Yield whether a worker lives. One that never ran is no fault before anything has."""
    with context.database.read() as session:
        now = context.clock.now()
        seen = heartbeat.workers(session, now)
        fault = heartbeat.why_degraded(session, now)
    begun = seen.last_seen is not None or has_served(context)
    own = heartbeat.installed_version()
    others = sorted({version for version in seen.living if version != own})
    if others:
        fault = f"one of version {others[0]} runs, and {own} is installed: systemctl restart portal-worker"
    if fault is None:
        yield judged("worker", None)
    else:
        yield Finding("worker", WRONG if begun else NOTE, fault)


def has_served(context: Context) -> bool:
    """Return whether a web server has ever run on this database. Raises DBAPIError."""
    with context.database.read() as session:
        return session.get(storage_check.StorageProbe, "web") is not None


def _remedy(cause: str) -> str:
    for *words, remedy in _REMEDIES:
        if all(word in cause for word in words):
            return remedy
    return "see PORTAL_DATABASE_URL"


def _closed_folder(file: Path) -> str | None:
    """Return which folder above a file this user cannot enter or write into, and how to open it, or None."""
    for folder in reversed(file.absolute().parents):
        try:
            about = folder.stat()
        except FileNotFoundError:
            return f"there is no folder {folder}, and this user may not create it: install -d {folder}"
        except OSError:
            return None
        if not stat.S_ISDIR(about.st_mode):
            return f"{folder} is no folder; see PORTAL_DATABASE_URL"
        if not os.access(folder, os.X_OK):
            user = pwd.getpwuid(os.geteuid()).pw_name if _is_known(os.geteuid()) else str(os.geteuid())
            mode = f"mode {stat.S_IMODE(about.st_mode):04o} of {_owner(about)}"
            return (
                f"this user ({user}) cannot enter {folder} ({mode}); "
                f"as root: chgrp portal {folder} && chmod 2770 {folder}; {_TWO_USERS}"
            )
    return None


def _is_known(user: int) -> bool:
    return any(entry.pw_uid == user for entry in pwd.getpwall())


def _owner(about: os.stat_result) -> str:
    users = {entry.pw_uid: entry.pw_name for entry in pwd.getpwall()}
    groups = {entry.gr_gid: entry.gr_name for entry in grp.getgrall()}
    return f"{users.get(about.st_uid, about.st_uid)}:{groups.get(about.st_gid, about.st_gid)}"


def _write_remedy(db: Database, error: DBAPIError) -> str:
    """Return the cause, and what to do; for a read-only file, which paths this user must be able to write."""
    file = sqlite_file(db.engine.url)
    if file is None or not is_read_only(error):
        return database_message(error, file)
    return _closed_file(file, error)


def _closed_file(file: Path, error: DBAPIError) -> str:
    beside = [file.with_name(f"{file.name}{end}") for end in ("", "-wal", "-shm")]
    wrong = [path for path in (file.parent, *beside) if path.exists() and not os.access(path, os.W_OK)]
    named = " and ".join(str(path) for path in wrong) or str(file)
    return f"this user must be able to write {named} ({database_cause(error)}): {_TWO_USERS}"
