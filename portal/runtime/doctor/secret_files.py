"""Check a file with a secret of the worker's: nobody else may read it, the web server's user least of all."""

import os
from pathlib import Path
from pwd import getpwuid
from shlex import quote

from portal.core.settings import KeyFiles

_READ, _READ_BY_GROUP, _READ_BY_OTHERS = 0o400, 0o040, 0o004


def fault_of(file: Path, keys: KeyFiles) -> str | None:
    """Return who can read the file and must not, and what mends that, or None. Others say that it is missing.

    The owners of the key files are the web server's user, the worker's and the console's.
    """
    try:
        found = file.stat()
    except OSError:
        return None
    worker = _owner(keys.worker_file)
    others = (
        (_owner(keys.web_file), "the web server's user"),
        (_owner(keys.console_file), "the console's user"),
    )
    reads = [who for user, who in others if user and user != worker and _may_read(found, user)]
    if found.st_mode & _READ_BY_OTHERS:
        who = "other users"
    elif reads:
        who = reads[0]
    else:
        return None
    mode = f"chmod 400 {quote(str(file))}"
    if found.st_uid == worker:
        return f"{who} can read {file}; run: {mode}"
    name = "portal-worker" if worker is None else _name(worker)
    return f"{who} can read {file}; run as root: chown {name} {quote(str(file))} && {mode}"


def _owner(file: Path) -> int | None:
    try:
        return file.stat().st_uid
    except OSError:
        return None


def _may_read(found: os.stat_result, user: int) -> bool:
    if found.st_uid == user:
        return bool(found.st_mode & _READ)
    return found.st_gid in _groups(user) and bool(found.st_mode & _READ_BY_GROUP)


def _groups(user: int) -> list[int]:
    try:
        entry = getpwuid(user)
    except KeyError:  # a number without a name, as in a container
        return []
    return os.getgrouplist(entry.pw_name, entry.pw_gid)


def _name(user: int) -> str:
    try:
        return getpwuid(user).pw_name
    except KeyError:
        return str(user)
