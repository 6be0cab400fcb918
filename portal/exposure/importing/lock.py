"""Let one import into a database run at a time."""

from contextlib import AbstractContextManager

from portal.core.db import Database
from portal.core.locks.process import process_lock

_POSTGRES_LOCK = 0x706F7274616C


class ImportRunning(Exception):
    """Another import into this database is running."""


def import_lock(db: Database) -> AbstractContextManager[None]:
    """Return a lock that one import into this database at a time can hold; the others get ImportRunning.

    The lock is released when the process ends, so a killed import blocks nothing.
    """
    return process_lock(db, "import-lock", _POSTGRES_LOCK, ImportRunning)
