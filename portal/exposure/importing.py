"""Take in an affected list: read, check, seal, sort, unite, store it as a version that nobody sees yet."""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.core.clock import Clock
from portal.core.db import Database
from portal.crypto.vault import INDEX_BYTES, WorkerVault
from portal.datakinds.taxonomy import by_id, find
from portal.exposure import store
from portal.exposure.csvfile import CsvFile, FileRefused
from portal.exposure.models import IMPORTING, READY, ExposureList
from portal.exposure.people import ADDRESS_BYTES, Indexer, RowReader, RowRefused, Sealer, bitmap_of, pack
from portal.exposure.service import data_key_cell
from portal.exposure.spill import KEY_BYTES, Sorter, record
from portal.exposure.workspace import ImportRunning, workspace
from portal.people_files.report import Report

log = logging.getLogger("portal.exposure")

Progress = Callable[[str, int, int], None]
READING = "reading"
STORING = "storing"
_TICK = 5_000
_MAX_BITMAPS = 10_000


@dataclass
class Summary:
    """What an import did: `rows` of the file, distinct `people`, and their distinct exact `addresses`."""

    list_id: int = 0
    number: int = 0
    rows: int = 0
    people: int = 0
    addresses: int = 0
    duplicates: int = 0
    bad_rows: int = 0
    whole: bool = True
    class_counts: dict[str, int] = field(default_factory=dict)


Finished = Callable[[Session, Summary], None]


@dataclass(frozen=True)
class Source:
    """What is taken in: for which incident, its own data classes, the file, and where bad rows are told."""

    incident_id: bytes
    incident_classes: tuple[str, ...]
    file: Path
    report: Path


def take_in(
    db: Database,
    vault: WorkerVault,
    clock: Clock,
    database_url: str,
    source: Source,
    progress: Progress,
    *,
    finished: Finished | None = None,
    dry_run: bool = False,
) -> Summary:
    """Import a file as a new version and return its summary; with `dry_run` nothing is stored.

    `finished` is called in the transaction that makes the version one that can be activated.

    Commits in chunks; the version is invisible until it is activated, and gone if this fails. Raises
    FileRefused for a file that cannot be taken in, ImportRunning, OSError where a disk is full.
    """
    with workspace(db, database_url) as folder:
        remove_leftovers(db)
        if dry_run:
            key = AESGCM(AESGCM.generate_key(256))
            job = _Import(source, Sealer(vault, 0, key), Indexer(vault), Sorter(folder), progress)
            for _ in job.people(job.read()):
                pass
            return job.summary
        number, list_id, data_key = _begin(db, vault, clock, source)
        try:
            job = _Import(source, Sealer(vault, list_id, data_key), Indexer(vault), Sorter(folder), progress)
            rows = job.people(job.read())
            store.insert(db, ((list_id, key[:INDEX_BYTES], key[INDEX_BYTES:], blob) for key, blob in rows))
            summary = job.summary
            summary.list_id, summary.number = list_id, number
            _finish(db, summary, finished)
        except BaseException:
            _discard_if_possible(db, list_id)
            raise
        return summary


def remove_leftovers(db: Database) -> None:
    """Remove the versions of imports that were killed. Only for who holds the workspace."""
    for list_id in _unfinished(db):
        _discard(db, list_id)


def clear(db: Database, database_url: str) -> None:
    """Remove what a killed import, or one that found the disk full, left behind; one that is at work is left alone."""
    if not _unfinished(db):
        return
    with suppress(ImportRunning), workspace(db, database_url):
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


def _finish(db: Database, summary: Summary, finished: Finished | None) -> None:
    with db.write() as session:
        if finished is not None:
            finished(session, summary)
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


def _discard_if_possible(db: Database, list_id: int) -> None:
    try:
        _discard(db, list_id)
    except DBAPIError as error:
        # A full disk can refuse this too. The version stays invisible, until there is room again.
        log.error(
            "what was stored is removed by the worker as soon as there is room (%s)",
            type(error.orig).__name__,
        )


def _discard(db: Database, list_id: int) -> None:
    # The key goes first: from then on nothing of the version can be read, whatever happens to its rows.
    with db.write() as session:
        session.execute(update(ExposureList).where(ExposureList.id == list_id).values(data_key=None))
    store.remove(db, list_id)
    with db.write() as session:
        version = session.get(ExposureList, list_id)
        if version is not None:
            session.delete(version)


class _Import:
    """One run over one file."""

    def __init__(
        self, source: Source, sealer: Sealer, indexer: Indexer, sorter: Sorter, progress: Progress
    ) -> None:
        self._source = source
        self._sealer = sealer
        self._indexer = indexer
        self._sorter = sorter
        self._progress = progress
        self._bitmaps: Counter[int] = Counter()
        self._by_class: Counter[int] = Counter()
        self.summary = Summary()

    def read(self) -> Sorter:
        """Read and seal every row of the file; bad ones are told in the report and left out."""
        source, summary, sorter = self._source, self.summary, self._sorter
        reader = RowReader(bitmap_of(find(name) for name in source.incident_classes))
        size = source.file.stat().st_size
        add, seal = sorter.add, self._sealer.seal
        fold, person, bitmaps = self._indexer.fold, self._indexer.person, self._bitmaps
        with source.file.open("rb", buffering=1 << 20) as binary, ExitStack() as stack:
            file = CsvFile(binary)
            report = stack.enter_context(closing(Report(source.report, source.file)))
            line = rows = 0
            refused: str | None = None
            for line, columns in file.rows():
                rows += 1
                if not rows % _TICK:
                    self._progress(READING, file.bytes_read, size)
                    self._settle_bitmaps()
                refused = None
                try:
                    address, ref, bitmap, packed = reader.read(columns or _ragged())
                except RowRefused as error:
                    refused = str(error)
                    report.tell(line, refused)
                    continue
                key = fold(address) + person(address, ref)
                add(record(key, seal(key, packed)))
                bitmaps[bitmap] += 1
            self._progress(READING, size, size)
        summary.rows, summary.whole = rows, file.whole
        summary.bad_rows = report.told
        if refused and not file.whole:
            raise FileRefused(line, "the file ends in the middle of this row; it is cut off")
        if not rows:
            raise FileRefused(2, "the file has a header and no rows")
        if rows == summary.bad_rows:
            raise FileRefused(line or 2, "not one row of the file can be used; the report says why")
        return sorter

    def people(self, sorter: Sorter) -> Iterator[tuple[bytes, bytes]]:
        """Yield each person once, in the order of the key, as (key, blob); one who comes twice is united."""
        summary = self.summary
        expected = summary.rows - summary.bad_rows
        people = addresses = 0
        last_key = last_address = last_blob = b""
        for seen, row in enumerate(sorter.sorted(), 1):
            key, blob = row[:KEY_BYTES], row[KEY_BYTES + 1 :]
            if key == last_key:
                last_blob = self._united(key, last_blob, blob)
                continue
            if last_key:
                yield last_key, last_blob
            people += 1
            if key[:ADDRESS_BYTES] != last_address:
                addresses += 1
                last_address = key[:ADDRESS_BYTES]
            last_key, last_blob = key, blob
            if not people % _TICK:
                self._progress(STORING, seen, expected)
        yield last_key, last_blob
        self._progress(STORING, expected, expected)
        self._settle_bitmaps(everything=True)
        summary.people, summary.addresses, summary.duplicates = people, addresses, expected - people
        summary.class_counts = {
            by_id(bit).name: count for bit, count in sorted(self._by_class.items()) if count
        }

    def _united(self, key: bytes, blob: bytes, other: bytes) -> bytes:
        person, again = self._sealer.open(key, blob), self._sealer.open(key, other)
        united = person.united(again)
        self._bitmaps.subtract((person.classes, again.classes))
        self._bitmaps[united.classes] += 1
        self._settle_bitmaps()
        return self._sealer.seal(key, pack(united))

    def _settle_bitmaps(self, *, everything: bool = False) -> None:
        if len(self._bitmaps) < _MAX_BITMAPS and not everything:
            return
        for bitmap, count in self._bitmaps.items():
            rest = bitmap
            while rest:
                lowest = rest & -rest
                self._by_class[lowest.bit_length() - 1] += count
                rest ^= lowest
        self._bitmaps.clear()


def _ragged() -> tuple[str, ...]:
    raise RowRefused("the row has more or fewer fields than the header")
