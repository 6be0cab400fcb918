"""Import a file as a new version of an affected list, or check it."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core.clock import Clock
from portal.core.db import Database
from portal.crypto.vault import INDEX_BYTES, WorkerVault
from portal.exposure import left_out
from portal.exposure.importing.comparing import compare
from portal.exposure.importing.leftovers import remove_leftovers, undo
from portal.exposure.importing.lock import import_lock
from portal.exposure.importing.reading import KEY_BYTES, OTHERS, Reader, Source, Summary
from portal.exposure.models import IMPORTING, READY, ExposureList
from portal.exposure.people import SORTED_BYTES, STORED_BYTES, Indexer, Sealer, insert_people
from portal.exposure.service import data_key_cell, verified_active
from portal.incidents import service as incidents
from portal.people_files.progress import CHECKING, STORING, Progress
from portal.people_files.room import Room
from portal.people_files.rows import UNKNOWN_LANGUAGE
from portal.people_files.sorting import Sorter, sort_folder
from portal.people_files.stopping import EXPECTED, ImportStopped

_MOST_LANGUAGES = 40
# A language that fewer people have is counted with others: a smaller count could be about one person.
_FEWEST_SPEAKERS = 10


class ImportUndecided(Exception):
    """The people of a file may be wrong, and nothing was stored: `summary` says in what way."""

    def __init__(self, summary: Summary) -> None:
        """Store the summary of the file."""
        self.summary = summary
        super().__init__("the file needs a decision")


def import_list(
    db: Database,
    vault: WorkerVault,
    clock: Clock,
    source: Source,
    progress: Progress,
    *,
    dry_run: bool = False,
    also: Callable[[Session, Summary], None] = lambda _session, _summary: None,
) -> Summary:
    """Import a file as a new version and return its summary; with `dry_run` nothing is stored.

    Commits in chunks; the version is invisible until it is activated, and removed if the import fails.
    The audit row is written in the transaction that makes the version available for activation, and with
    `widen` stages the classes that the incident does not list. `also` is called in that transaction: what it
    stores is there exactly if the version is. Raises ImportUndecided, for a dry run too, if
    there are such classes without `widen`, if `must_not_lose` and the file lacks many people, or if
    `to_leave_out` is a large part of them; FileRefused for an invalid file, ReportUnwritable, NoRoom,
    ImportRunning, OSError and DBAPIError; and ImportStopped from one of these, or from KeyboardInterrupt, if
    something had been stored.
    """
    room = Room(db, source.file, sorted_bytes=SORTED_BYTES, stored_bytes=STORED_BYTES)
    with import_lock(db), closing(Sorter(sort_folder(db), KEY_BYTES)) as sorter:
        remove_leftovers(db)
        room.check(dry_run=dry_run)
        if dry_run:
            key = AESGCM(AESGCM.generate_key(256))
            job = Reader(source, Sealer(vault, 0, key), Indexer(vault), sorter, progress)
            job.read()
            _check(db, vault, source, job, consume=True)
            return job.summary
        number, list_id, data_key = _begin(db, vault, clock, source)
        try:
            job = Reader(source, Sealer(vault, list_id, data_key), Indexer(vault), sorter, progress)
            job.read()
            if job.beyond or source.to_leave_out or _active(db, vault, source) is not None:
                _check(db, vault, source, job, consume=False)
            people = room.watch(job.people(STORING))
            insert_people(db, ((list_id, key[:INDEX_BYTES], key[INDEX_BYTES:], blob) for key, blob in people))
            summary = job.summary
            summary.list_id, summary.number = list_id, number
            _finish(db, clock, source, summary, also)
        except EXPECTED as error:
            if outcome := undo(db, list_id, progress):
                raise ImportStopped(outcome) from error
            raise
        except BaseException:
            undo(db, list_id, progress)
            raise
        return summary


def _check(db: Database, vault: WorkerVault, source: Source, job: Reader, *, consume: bool) -> None:
    """Count the people, and compare them with the active version. Raises ImportUndecided."""
    people, summary = job.people(CHECKING, consume=consume), job.summary
    active = _active(db, vault, source)
    if active is None:
        for _ in people:
            pass
    else:
        summary.comparison = compare(db, vault, people, job.sealer, active)
    loses = source.must_not_lose and summary.comparison is not None and summary.comparison.loses_many
    silences = left_out.is_large_part(source.to_leave_out, summary.people)
    if loses or silences or (summary.beyond and not source.widen):
        raise ImportUndecided(summary)


def _active(db: Database, vault: WorkerVault, source: Source) -> ExposureList | None:
    with db.read() as session:
        return verified_active(session, vault, [source.incident_id]).get(source.incident_id)


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


def _by_language(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the people by language, without regions, as they are stored.

    Languages that few people have are counted together, and so is what is no language, as one that nobody
    knows: a column of names that somebody took for one must not lie in clear.
    """
    people: Counter[str] = Counter()
    for tag, count in counts.items():
        people[_language(tag)] += count
    most = {tag for tag, _ in people.most_common(_MOST_LANGUAGES)}
    for tag, count in tuple(people.items()):
        if tag not in ("", OTHERS, UNKNOWN_LANGUAGE) and (count < _FEWEST_SPEAKERS or tag not in most):
            del people[tag]
            people[OTHERS] += count
    return dict(people.most_common())


def _language(tag: str) -> str:
    """Return the language of a tag, without its region; the empty tag and the one of others stay."""
    return tag.partition("-")[0].lower()


def _finish(
    db: Database, clock: Clock, source: Source, summary: Summary, also: Callable[[Session, Summary], None]
) -> None:
    """Make the version available for activation, record the import, and stage the classes beyond."""
    with db.write() as session:
        incident, now = incidents.by_id(session, source.incident_id), clock.now()
        details: dict[str, str | int | bool | None] = {
            "version": summary.number,
            "people": summary.people,
            "addresses": summary.addresses,
            "bad_rows": summary.bad_rows,
            "duplicates": summary.duplicates,
        }
        if summary.beyond:
            details["widen"] = ";".join(summary.beyond)
        audit.record(session, "exposure.import", incident.slug, details, now)
        if summary.beyond:
            names = (*incident.next_class_names, *summary.beyond)
            summary.staged = incidents.stage_classes(session, incident, tuple(dict.fromkeys(names)), now)
        session.execute(
            update(ExposureList)
            .where(ExposureList.id == summary.list_id)
            .values(
                state=READY,
                class_counts=json.dumps(summary.class_counts),
                language_counts=json.dumps(_by_language(summary.languages)),
                rows=summary.rows,
                people=summary.people,
                addresses=summary.addresses,
                duplicates=summary.rows - summary.bad_rows - summary.entries,
                bad_rows=summary.bad_rows,
            )
        )
        also(session, summary)
