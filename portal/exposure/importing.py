"""Import an affected list: read, validate, seal, sort, merge, and store it as an inactive version."""

import fcntl
import json
import logging
import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError

from portal.audit import service as audit
from portal.core.clock import Clock
from portal.core.db import FILE_MODE, Database, sqlite_file
from portal.core.faults import database_cause
from portal.crypto.vault import INDEX_BYTES, WorkerVault
from portal.datakinds.taxonomy import by_id, find
from portal.exposure.models import IMPORTING, READY, ExposedPerson, ExposureList
from portal.exposure.people import (
    ADDRESS_BYTES,
    SORTED_BYTES,
    STORED_BYTES,
    Indexer,
    RowParser,
    Sealer,
    bitmap_of,
    delete_people,
    insert_people,
    pack,
)
from portal.exposure.service import data_key_cell
from portal.incidents import service as incidents
from portal.people_files.progress import CHECKING, REMOVING, STORING, Progress
from portal.people_files.reading import PROGRESS_ROWS, RowCounts, read_rows
from portal.people_files.report import Report
from portal.people_files.room import Room
from portal.people_files.sorting import Sorter, sort_folder
from portal.people_files.stopping import EXPECTED, ImportStopped

log = logging.getLogger("portal.exposure")

COLUMNS = ("email", "account_ref", "name", "locale", "jurisdiction", "data_classes")
NEEDED = ("email",)
KEY_BYTES = 2 * INDEX_BYTES
_MAX_BITMAPS = 10_000
_POSTGRES_LOCK = 0x706F7274616C
OWNER_MODE = 0o600


class ImportRunning(Exception):
    """Another import into this database is running."""


@dataclass
class Summary(RowCounts):
    """The counts of an import: distinct `people`, and their distinct exact `addresses`."""

    list_id: int = 0
    number: int = 0
    people: int = 0
    addresses: int = 0
    duplicates: int = 0
    class_counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """The input of an import; `incident_classes` apply to rows that name none, `report` lists bad rows.

    `must_be_whole`: reject a file whose last line has no line break, because it may be cut.
    """

    incident_id: bytes
    incident_classes: tuple[str, ...]
    file: Path
    report: Path
    must_be_whole: bool = False


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
            job = _Import(source, Sealer(vault, 0, key), Indexer(vault), sorter, progress)
            job.read()
            for _ in job.people(CHECKING):
                pass
            return job.summary
        number, list_id, data_key = _begin(db, vault, clock, source)
        try:
            job = _Import(source, Sealer(vault, list_id, data_key), Indexer(vault), sorter, progress)
            job.read()
            people = room.watch(job.people(STORING))
            insert_people(db, ((list_id, key[:INDEX_BYTES], key[INDEX_BYTES:], blob) for key, blob in people))
            summary = job.summary
            summary.list_id, summary.number = list_id, number
            _finish(db, clock, source, summary)
        except EXPECTED as error:
            if outcome := _undo(db, list_id, progress):
                raise ImportStopped(outcome) from error
            raise
        except BaseException:
            _undo(db, list_id, progress)
            raise
        return summary


def import_lock(db: Database) -> AbstractContextManager[None]:
    """Return a lock that one import into this database at a time can hold; the others get ImportRunning.

    The lock is released when the process ends, so a killed import blocks nothing.
    """
    file = sqlite_file(db.engine.url)
    return _advisory_lock(db) if file is None else _file_lock(file)


@contextmanager
def _file_lock(database: Path) -> Iterator[None]:
    path = database.with_name(f"{database.name}.import-lock")
    # Whoever may read the lock file can hold it, so it is only for those who may write the database.
    lock = _locked(path, FILE_MODE if database.stat().st_mode & stat.S_IWGRP else OWNER_MODE)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def _locked(path: Path, mode: int) -> int:
    """Return the descriptor of a locked file that is still the one at `path`. Raises ImportRunning."""
    while True:
        # Read access is enough to lock: a file left behind by the other user's killed import is no obstacle.
        lock = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, OWNER_MODE)
        if os.fstat(lock).st_uid == os.geteuid():
            os.fchmod(lock, mode)  # whatever the umask; a former version created it for everyone
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise ImportRunning from None
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(lock).st_ino:
                return lock
        os.close(lock)  # the import that held the lock has just removed the file


@contextmanager
def _advisory_lock(db: Database) -> Iterator[None]:
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        key = {"key": _POSTGRES_LOCK}
        if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar_one():
            raise ImportRunning
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)


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


def _undo(db: Database, list_id: int, progress: Progress) -> str:
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


class _Import:
    """One import of one file."""

    def __init__(
        self, source: Source, sealer: Sealer, indexer: Indexer, sorter: Sorter, progress: Progress
    ) -> None:
        self._source = source
        self._sealer = sealer
        self._indexer = indexer
        self._sorter = sorter
        self._progress = progress
        self._length = 0
        self._bitmaps: Counter[int] = Counter()
        self._by_class: Counter[int] = Counter()
        self.summary = Summary()

    def read(self) -> None:
        """Read, seal and add every row to the sorter; bad rows are reported and skipped."""
        source, summary, bitmaps = self._source, self.summary, self._bitmaps
        parser = RowParser(bitmap_of(find(name) for name in source.incident_classes))
        add, seal = self._sorter.add, self._sealer.seal
        fold, person = self._indexer.fold, self._indexer.person
        with closing(Report(source.report, source.file)) as report:
            for _, (address, ref, bitmap, packed) in read_rows(
                source.file,
                COLUMNS,
                NEEDED,
                parser.parse,
                report,
                summary,
                self._progress,
                must_be_whole=source.must_be_whole,
            ):
                key = fold(address) + person(address, ref)
                add(key, seal(key, packed))
                bitmaps[bitmap] += 1
                if len(bitmaps) >= _MAX_BITMAPS:
                    self._settle_bitmaps()
        self._length = parser.length

    def people(self, stage: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield each person once as (key, blob), sorted by key; rows of the same person are merged.

        Every blob has the length that the longest address with its reference needs.
        The rows are taken from the disk on the way: it can be called once.
        """
        summary = self.summary
        expected = summary.rows - summary.bad_rows
        people = addresses = 0
        last_key = last_address = last_blob = b""
        for seen, (key, blob) in enumerate(self._sorter.sorted(consume=True), 1):
            if key == last_key:
                last_blob = self._merged(key, last_blob, blob)
                continue
            if last_key:
                yield last_key, self._sealer.of_length(last_key, last_blob, self._length)
            people += 1
            if key[:ADDRESS_BYTES] != last_address:
                addresses += 1
                last_address = key[:ADDRESS_BYTES]
            last_key, last_blob = key, blob
            if not people % PROGRESS_ROWS:
                self._progress(stage, seen, expected)
        yield last_key, self._sealer.of_length(last_key, last_blob, self._length)
        self._progress(stage, expected, expected)
        self._settle_bitmaps()
        summary.people, summary.addresses, summary.duplicates = people, addresses, expected - people
        summary.class_counts = {
            by_id(bit).name: count for bit, count in sorted(self._by_class.items()) if count
        }

    def _merged(self, key: bytes, blob: bytes, other: bytes) -> bytes:
        person, again = self._sealer.open(key, blob), self._sealer.open(key, other)
        merged = person.merged(again)
        self._bitmaps.subtract((person.classes, again.classes))
        self._bitmaps[merged.classes] += 1
        if len(self._bitmaps) >= _MAX_BITMAPS:
            self._settle_bitmaps()
        return self._sealer.seal(key, pack(merged))

    def _settle_bitmaps(self) -> None:
        """Add the bitmaps counted so far to the counts by class, and clear them: there may be very many."""
        for bitmap, count in self._bitmaps.items():
            rest = bitmap
            while rest:
                lowest = rest & -rest
                self._by_class[lowest.bit_length() - 1] += count
                rest ^= lowest
        self._bitmaps.clear()
