"""Command: `portal doctor`, which checks the configuration and says how to fix it."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median

import click
from argon2.low_level import Type, hash_secret_raw
from sqlalchemy.exc import DBAPIError

from portal.core.db import sqlite_file
from portal.core.disk_space import free_bytes, readable
from portal.core.faults import database_cause, database_message, is_read_only
from portal.core.settings import Settings
from portal.crypto import keys as keyfiles
from portal.crypto import self_test
from portal.crypto.vault import WebVault, WorkerVault
from portal.runtime import schema, storage_check
from portal.runtime.context import Context

# Memory costs to try, in KiB, and how long one hash may take.
HASH_MEMORY = (47_104, 65_536, 98_304, 131_072, 196_608, 262_144)
HASH_SECONDS = 0.25
TIMES = 3
OTHERS = 0o077
UNUSED = "is not used by this version; remove it from the settings"


@click.command()
@click.pass_obj
def doctor(context: Context) -> None:
    """Check the configuration, and say what is wrong and how to fix it."""
    faults = 0
    for name, fault in examine(context):
        click.echo(f"{'ok   ' if fault is None else 'WRONG'} {name}{'' if fault is None else f': {fault}'}")
        faults += fault is not None
    if (file := sqlite_file(context.database.engine.url)) is not None and file.exists():
        click.echo(f"note  disk of {file}: {readable(free_bytes(file.absolute().parent))} free")
    click.echo(f"note  password hashes: {_hash_cost(context.settings)}")
    for notes in context.notes:
        for note in notes(context.settings):
            click.echo(f"note  {note}")
    for variable in context.settings.unused:
        click.echo(f"note  {variable}: {UNUSED}")
    if faults:
        raise click.exceptions.Exit(1)


def examine(context: Context) -> Iterator[tuple[str, str | None]]:
    """Yield (what was checked, what is wrong with it or None)."""
    settings = context.settings
    yield "settings", None
    yield "proxies", _proxies(settings)
    web_keys, worker_keys = _web_keys(settings), _worker_keys(settings)
    yield "web keys", web_keys
    yield "worker keys", worker_keys
    database = _database(context)
    yield "database", database
    if database is None:
        yield "keys and database", _keys_of_database(context)
        for look in context.database_checks:
            yield from look(context.database)
    keys_right = web_keys is None and worker_keys is None
    for check in context.checks:
        yield from check(settings, keys_right)


def _hash_cost(settings: Settings) -> str:
    """Return how long a hash takes, and the highest cost that this machine can run on every core at once."""
    cost = settings.identity.argon2
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    # A pass fills the memory once, so time grows with memory, and one measurement tells about the others.
    affordable = HASH_MEMORY[0] * HASH_SECONDS / _hash_seconds(HASH_MEMORY[0], 1, 1)
    best = max((each for each in HASH_MEMORY if each <= min(affordable, memory // 4 // cores)), default=None)
    seconds = _hash_seconds(cost.memory, cost.time, cost.lanes)
    taken = f"m={cost.memory},t={cost.time},p={cost.lanes} takes {seconds * 1000:.0f} ms"
    if seconds > HASH_SECONDS:
        return f"{taken}, a noticeable wait; OWASP's minimum is m=47104,t=1,p=1 or m=19456,t=2,p=1"
    if best is None or best <= cost.memory * cost.time:
        return f"{taken}, right for this machine"
    return f"{taken}; this machine can afford PORTAL_ARGON2=m={best},t=1,p=1"


def _hash_seconds(memory: int, time_cost: int, lanes: int) -> float:
    """Return the seconds of one hash on an idle machine: the median of the CPU time of three, by lane.

    Time on the clock would grow with whatever else runs. Of a cheap hash, one is enough.
    """
    took: list[float] = []
    while not took or (memory >= HASH_MEMORY[0] and len(took) < TIMES):
        begin = time.process_time()
        hash_secret_raw(b"a password to measure", bytes(16), time_cost, memory, lanes, 32, Type.ID)
        took.append((time.process_time() - begin) / min(lanes, len(os.sched_getaffinity(0))))
    return median(took)


def _web_keys(settings: Settings) -> str | None:
    if _is_other_users(settings.keys.web_file, settings.keys.worker_file, settings):
        return None
    try:
        web = keyfiles.read_web(settings.keys.web_file)
    except keyfiles.KeysInvalid as error:
        return str(error)
    if os.access(settings.keys.worker_file, os.R_OK):
        try:
            worker = keyfiles.read_worker(settings.keys.worker_file)
        except keyfiles.KeysInvalid:
            return _mode(settings.keys.web_file)  # reported for the worker's file
        if (web.sealing_public, web.account_index) != (worker.sealing_public, worker.account_index):
            return "do not match the worker's keys; restore both files from your offline copy"
    return _mode(settings.keys.web_file)


def _proxies(settings: Settings) -> str | None:
    """Return what is wrong where a proxy is in front, as TLS needs one, and none is configured."""
    if settings.trusted_proxies or not settings.https:
        return None
    return (
        "PORTAL_TRUSTED_PROXIES is 0, but a proxy must terminate TLS for PORTAL_BASE_URL: all visitors count "
        "as one and share its limits; set it to the number of proxies that add to X-Forwarded-For"
    )


def _worker_keys(settings: Settings) -> str | None:
    file = settings.keys.worker_file
    if _is_other_users(file, settings.keys.web_file, settings):
        return None
    try:
        vault = WorkerVault(keyfiles.read_worker(file))
    except keyfiles.KeysInvalid as error:
        return str(error)
    if not vault.self_test():
        return "the keys in this file do not match each other; restore it from your offline copy"
    return _mode(file)


def _is_other_users(file: Path, own: Path, settings: Settings) -> bool:
    """Return whether `file` belongs to the portal's other user: unreadable, while `own` can be read.

    With PORTAL_EMBEDDED=1 one user has both, so each must be readable.
    """
    return not settings.keys.embedded and not os.access(file, os.R_OK) and os.access(own, os.R_OK)


def _keys_of_database(context: Context) -> str | None:
    """Compare the readable keys with the database; faults of a key file itself were reported before."""
    settings = context.settings
    try:
        with suppress(keyfiles.KeysInvalid):
            self_test.check_web(context.database, WebVault(keyfiles.read_web(settings.keys.web_file)))
        with suppress(keyfiles.KeysInvalid):
            vault = WorkerVault(keyfiles.read_worker(settings.keys.worker_file))
            if vault.self_test():
                self_test.check(context.database, vault)
    except self_test.OtherKeys as error:
        return str(error)
    return None


def _mode(file: Path) -> str | None:
    if file.stat().st_mode & OTHERS:
        return f"other users can read {file}; run: chmod 600 {file}"
    return None


def _database(context: Context) -> str | None:
    try:
        if (fault := schema.fault_of(context.database)) is not None:
            return fault
    except DBAPIError as error:
        return f"does not answer ({database_cause(error)}); see PORTAL_DATABASE_URL"
    except OSError as error:
        return f"cannot create its folder ({error.strerror}); see PORTAL_DATABASE_URL"
    try:
        storage_check.write_row(context.database, "doctor")
    except DBAPIError as error:
        return f"cannot be written: {_write_remedy(context, error)}"
    return storage_check.fault_of_disk(context.database)


def _write_remedy(context: Context, error: DBAPIError) -> str:
    """Return the cause, and what to do; for a read-only file, which paths this user must be able to write."""
    file = sqlite_file(context.database.engine.url)
    if file is None or not is_read_only(error):
        return database_message(error, file)
    beside = [file.with_name(f"{file.name}{end}") for end in ("", "-wal", "-shm")]
    wrong = [path for path in (file.parent, *beside) if path.exists() and not os.access(path, os.W_OK)]
    named = " and ".join(str(path) for path in wrong) or str(file)
    return (
        f"this user must be able to write {named} ({database_cause(error)}): "
        "see 'Two users' in the operator's guide"
    )
