"""Import a file as a new version of an affected list, or check it."""

import json
from contextlib import closing

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import func, select, update

from portal.audit import service as audit
from portal.core.clock import Clock
from portal.core.db import Database
from portal.crypto.vault import INDEX_BYTES, WorkerVault
from portal.exposure.importing.leftovers import remove_leftovers, undo
from portal.exposure.importing.lock import import_lock
from portal.exposure.importing.reading import KEY_BYTES, Reader, Source, Summary
from portal.exposure.models import IMPORTING, READY, ExposureList
from portal.exposure.people import SORTED_BYTES, STORED_BYTES, Indexer, Sealer, insert_people
from portal.exposure.service import data_key_cell
from portal.incidents import service as incidents
from portal.people_files.progress import CHECKING, STORING, Progress
from portal.people_files.room import Room
from portal.people_files.sorting import Sorter, sort_folder
from portal.people_files.stopping import EXPECTED, ImportStopped


def import_list(
    db: Database,
    vault: WorkerVault,
    clock: Clock,
    source: Source,
    progress: Progress,
    *,
    dry_run: bool = False,
) -> Summary:
    """Import a file as a new version and return its summary; with `dry_run` nothing is stored.

    Commits in chunks; the version is invisible until it is activated, and removed if the import fails.
    The audit row is written in the transaction that makes the version available for activation. Raises
    FileRefused for an invalid file, ReportUnwritable, NoRoom, ImportRunning, OSError and DBAPIError; and
    ImportStopped from one of these, or from KeyboardInterrupt, if something had been stored.
    """
    room = Room(db, source.file, sorted_bytes=SORTED_BYTES, stored_bytes=STORED_BYTES)
    with import_lock(db), closing(Sorter(sort_folder(db), KEY_BYTES)) as sorter:
        remove_leftovers(db)
        room.check(dry_run=dry_run)
        if dry_run:
            key = AESGCM(AESGCM.generate_key(256))
            job = Reader(source, Sealer(vault, 0, key), Indexer(vault), sorter, progress)
            job.read()
            for _ in job.people(CHECKING):
                pass
            return job.summary
        number, list_id, data_key = _begin(db, vault, clock, source)
        try:
            job = Reader(source, Sealer(vault, list_id, data_key), Indexer(vault), sorter, progress)
            job.read()
            people = room.watch(job.people(STORING))
            insert_people(db, ((list_id, key[:INDEX_BYTES], key[INDEX_BYTES:], blob) for key, blob in people))
            summary = job.summary
            summary.list_id, summary.number = list_id, number
            _finish(db, clock, source, summary)
        except EXPECTED as error:
            if outcome := undo(db, list_id, progress):
                raise ImportStopped(outcome) from error
            raise
        except BaseException:
            undo(db, list_id, progress)
            raise
        return summary


def _begin(db: Database, vault: WorkerVault, clock: Clock, source: Source) -> tuple[int, int, AESGCM]:
    with db.write() as session:
        last = session.scalar(
            select(func.max(ExposureList.number)).where(ExposureList.incident_id == source.incident_id)
        )
        version = ExposureList(
            incident_id=source.incident_id,
            number=(last or 0) + 1,
            state=IMPORTING,
            imported_at=clock.now(),
        )
        session.add(version)
        session.flush()
        data_key, version.data_key = vault.new_data_key(data_key_cell(version))
        return version.number, version.id, data_key


def _finish(db: Database, clock: Clock, source: Source, summary: Summary) -> None:
    """Make the version available for activation, and record the import."""
    with db.write() as session:
        slug = incidents.by_id(session, source.incident_id).slug
        details = {"version": summary.number, "people": summary.people, "addresses": summary.addresses}
        details |= {"bad_rows": summary.bad_rows, "duplicates": summary.duplicates}
        audit.record(session, "exposure.import", slug, details, clock.now())
        session.execute(
            update(ExposureList)
            .where(ExposureList.id == summary.list_id)
            .values(
                state=READY,
                class_counts=json.dumps(summary.class_counts),
                rows=summary.rows,
                people=summary.people,
                addresses=summary.addresses,
                duplicates=summary.duplicates,
                bad_rows=summary.bad_rows,
            )
        )
