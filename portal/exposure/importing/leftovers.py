"""Undo an import that failed, and remove what a killed one left behind."""

import logging
from contextlib import suppress

from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError

from portal.core.db import Database
from portal.core.faults import database_cause
from portal.exposure.importing.lock import ImportRunning, import_lock
from portal.exposure.models import IMPORTING, ExposedPerson, ExposureList
from portal.exposure.people import delete_people
from portal.people_files.progress import REMOVING, Progress

log = logging.getLogger("portal.exposure")


def remove_leftovers(db: Database) -> None:
    """Remove the versions of killed imports. The caller must hold the import lock."""
    for list_id in _unfinished(db):
        _discard(db, list_id)


def clear(db: Database) -> None:
    """Remove the remains of imports that were killed or ran out of disk, unless an import is running."""
    if not _unfinished(db):
        return
    with suppress(ImportRunning), import_lock(db):
        remove_leftovers(db)


def _unfinished(db: Database) -> list[int]:
    with db.read() as session:
        return list(session.scalars(select(ExposureList.id).where(ExposureList.state == IMPORTING)))


def undo(db: Database, list_id: int, progress: Progress) -> str:
    """Remove an unfinished version; return what became of its people, or nothing if there were none."""
    removed, cause = 0, ""
    try:
        _destroy_key(db, list_id)
        with db.read() as session:
            total = session.scalar(select(func.count()).where(ExposedPerson.list_id == list_id)) or 0
        for removed in delete_people(db, list_id):
            progress(REMOVING, removed, total)
        _forget(db, list_id)
    except DBAPIError as error:
        cause = database_cause(error)
    except KeyboardInterrupt:
        cause = "interrupted again"
    if cause:
        # The version stays invisible until the worker removes it.
        log.error(
            "exposure: the unfinished list %d could not be removed (%s); the worker removes it, "
            "once the disk has room",
            list_id,
            cause,
        )
        return (
            f"Of the people stored so far {removed} were removed again, the rest could not be ({cause}): "
            "nobody sees them, and the worker removes them as soon as it can. The active list is untouched."
        )
    if not removed:
        return ""
    return (
        f"Nothing was stored: the {removed} people written so far were removed again; "
        "the active list is untouched."
    )


def _discard(db: Database, list_id: int) -> None:
    _destroy_key(db, list_id)
    for _ in delete_people(db, list_id):
        pass
    _forget(db, list_id)


def _destroy_key(db: Database, list_id: int) -> None:
    """Destroy the key of a version: from then on it is unreadable, whatever happens to its rows."""
    with db.write() as session:
        session.execute(update(ExposureList).where(ExposureList.id == list_id).values(data_key=None))


def _forget(db: Database, list_id: int) -> None:
    with db.write() as session:
        version = session.get(ExposureList, list_id)
        if version is not None:
            session.delete(version)
