"""Check the key files: that this user has its own, that they fit each other and the database."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from portal.core.db import Database
from portal.core.settings import Settings
from portal.crypto import keys as keyfiles
from portal.crypto import self_test
from portal.crypto.vault import WebVault, WorkerVault
from portal.runtime.doctor.findings import Finding, judged

OTHERS = 0o077


def check(settings: Settings) -> Iterator[Finding]:
    """Yield the findings about both files; the console's are the console's to check."""
    yield judged("web keys", _web_keys(settings))
    yield judged("worker keys", _worker_keys(settings))


def shared_vault(settings: Settings) -> WebVault | None:
    """Return a vault of what both processes have, from the file that this user can read, or None."""
    with suppress(keyfiles.KeysInvalid):
        return WebVault(keyfiles.read_web(settings.keys.web_file))
    with suppress(keyfiles.KeysInvalid):
        return WebVault(keyfiles.read_worker(settings.keys.worker_file))
    return None


def check_database(settings: Settings, db: Database) -> str | None:
    """Compare the readable keys with the database; faults of a key file itself were reported before."""
    try:
        with suppress(keyfiles.KeysInvalid):
            self_test.check_web(db, WebVault(keyfiles.read_web(settings.keys.web_file)))
        with suppress(keyfiles.KeysInvalid):
            vault = WorkerVault(keyfiles.read_worker(settings.keys.worker_file))
            if vault.self_test():
                self_test.check(db, vault)
    except self_test.OtherKeys as error:
        return str(error)
    return None


def _web_keys(settings: Settings) -> str | None:
    if _is_other_users(settings.keys.web_file, settings):
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


def _worker_keys(settings: Settings) -> str | None:
    file = settings.keys.worker_file
    if _is_other_users(file, settings):
        return None
    try:
        vault = WorkerVault(keyfiles.read_worker(file))
    except keyfiles.KeysInvalid as error:
        return str(error)
    if not vault.self_test():
        return "the keys in this file do not match each other; restore it from your offline copy"
    return _mode(file)


def _is_other_users(file: Path, settings: Settings) -> bool:
    """Return whether `file` belongs to another user of the portal: this one can read a file of its own.

    With PORTAL_EMBEDDED=1 one user has all, so each must be readable.
    """
    keys = settings.keys
    all_files = (keys.web_file, keys.worker_file, keys.console_file)
    readable = [one for one in all_files if os.access(one, os.R_OK)]
    return not keys.embedded and file not in readable and bool(readable)


def _mode(file: Path) -> str | None:
    if file.stat().st_mode & OTHERS:
        return f"other users can read {file}; run: chmod 600 {file}"
    return None
