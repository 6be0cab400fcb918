"""An import is whole or nothing, invisible until it is activated, and counts everyone once."""

import os
import re
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from portal.core.db import Database, sqlite_file
from portal.crypto.vault import Cell, VaultError
from portal.exposure import activating, importing, jobs, service
from portal.exposure.importing.reading import Reader
from portal.exposure.models import ExposedPerson, ExposureList
from portal.exposure.people import Indexer, Person, Sealer
from portal.people_files.sorting import Sorter
from tests.databases import written_meanwhile
from tests.exposure.conftest import HEADER, OWN_CLASSES, SLUG, quiet
from tests.processes import PORTAL, ROOT, command

ANN = "ann@northwind.example,7,Ann,en,ES,Passwords\n"


def people_of(lists, number: int = 1) -> list[Person]:
    with lists.db.read() as session:
        version = session.scalars(select(ExposureList).where(ExposureList.number == number)).one()
        found, after = service.people_after(session, lists.vault, version, b"", 100)
    assert not after
    people = [person for _, person in found if person is not None]
    if len(people) < len(found):
        raise VaultError
    return people


def nothing_lies_beside(db: Database) -> bool:
    """Whether an import left no file beside the database."""
    file = sqlite_file(db.engine.url)
    return file is None or not list(file.parent.glob(f"{file.name}.import*"))


def numbered(count: int, first: int = 0) -> str:
    return "".join(f"p{i}@northwind.example,{i},Person {i},en,,\n" for i in range(first, first + count))


def test_the_same_person_twice_is_one_with_the_classes_of_both(lists):
    between = numbered(40)  # the same person does not stand twice in a row in a company's export
    again, other = ANN.replace("Passwords", "Phone numbers"), ANN.replace(",7,", ",8,")
    summary = lists.take_in(HEADER + ANN + between + again + other + between)
    assert (summary.rows, summary.people, summary.addresses, summary.duplicates) == (83, 42, 41, 41)
    assert summary.class_counts == {"Passwords": 2, "Phone numbers": 1} | dict.fromkeys(OWN_CLASSES, 40)
    seven = next(person for person in people_of(lists) if person.account_ref == "7")
    assert seven.classes.bit_count() == 2


def test_a_row_without_classes_has_the_incidents_own(lists):
    summary = lists.take_in("email\nann@northwind.example\n")
    assert set(summary.class_counts) == set(OWN_CLASSES)


@pytest.mark.parametrize(
    "again",
    [
        lambda rows: rows,
        lambda rows: list(reversed(rows)),
        lambda rows: [row.replace("p", "P", 1) for row in rows],
    ],
    ids=["same", "reordered", "other case"],
)
def test_the_same_list_again_makes_nobody_new_and_says_so(lists, again):
    rows = numbered(50).splitlines(keepends=True)
    lists.live("".join(rows))
    second = lists.take_in(HEADER + "".join(again(rows)))
    assert second.people == 50
    compared = second.comparison
    assert compared is not None
    assert (compared.number, compared.new, compared.gone) == (1, 0, 0)


def test_a_dry_run_counts_the_same_and_stores_nothing(lists):
    dry = lists.take_in(HEADER + ANN + ANN + numbered(5), dry_run=True)
    assert lists.stored() == (0, 0)
    real = lists.take_in(HEADER + ANN + ANN + numbered(5))
    assert (dry.people, dry.duplicates, dry.class_counts) == (real.people, real.duplicates, real.class_counts)


def test_a_version_is_invisible_until_activated_and_an_older_one_comes_back(lists):
    lists.take_in(HEADER + ANN)
    with lists.db.read() as session:
        assert service.active(session, lists.id_of(SLUG)) is None
    lists.activate(1)
    lists.take_in(HEADER + numbered(3))
    lists.activate(2)
    lists.activate(1)
    with lists.db.read() as session:
        active = service.active(session, lists.id_of(SLUG))
        assert active is not None
        assert (active.number, active.people) == (1, 1)
        assert [version.number for version in service.versions(session, active.incident_id)] == [2, 1]


def test_a_list_with_rows_left_out_is_activated_only_when_that_is_accepted(lists):
    lists.take_in(HEADER + ANN + "nobody,,,,,\n")
    with lists.db.write() as session, pytest.raises(activating.ListHasBadRows):
        activating.activate(session, lists.vault, lists.id_of(SLUG), 1, lists.clock.now())


def test_rows_lie_in_the_order_of_their_index_whatever_order_the_file_has(lists):
    lists.take_in(HEADER + numbered(500))
    # SQLite keeps the table in its key's order by itself; on PostgreSQL a row lies where it was written.
    place = "" if lists.db.is_sqlite else " ORDER BY ctid"
    with lists.db.read() as session:
        statement = f"SELECT fold_index, person_key FROM exposure_people{place}"
        stored = session.connection().exec_driver_sql(statement).all()
    keys = [bytes(fold) + bytes(person) for fold, person in stored]
    assert len(keys) == 500
    assert keys == sorted(keys)


def test_many_runs_on_disk_merge_into_one_order_and_hold_no_plain_text(lists, tmp_path, worker_vault):
    folder = tmp_path / "spill"
    folder.mkdir()
    sorter = Sorter(folder, 32, run_bytes=20_000)
    job = Reader(
        importing.Source(lists.id_of(SLUG), OWN_CLASSES, tmp_path / "many.csv", lists.report),
        Sealer(worker_vault, 1, worker_vault.new_data_key(Cell("test", "key", b""))[0]),
        Indexer(worker_vault),
        sorter,
        quiet,
    )
    (tmp_path / "many.csv").write_text(HEADER + numbered(1000) + numbered(10))
    job.read()
    assert len(sorter._runs) > 10
    with closing(sorter):
        on_disk = b"".join(os.pread(run.file.fileno(), 10_000_000, 0) for run in sorter._runs)
        assert len(on_disk) > 10 * 20_000
        assert not any(word in on_disk for word in (b"northwind", b"Person", b"p77@north"))
        assert list(folder.iterdir()) == [], "it has a name by which others can open it"
        keys = [key for key, _ in job.people("Storing")]
    assert len(keys) == 1000
    assert keys == sorted(keys)
    assert job.summary.duplicates == 10


def test_one_import_at_a_time(lists):
    with importing.import_lock(lists.db), pytest.raises(importing.ImportRunning):
        lists.take_in(HEADER + ANN)
    assert lists.take_in(HEADER + ANN).people == 1
    assert nothing_lies_beside(lists.db)


@pytest.mark.parametrize(("mode", "expected"), [(0o660, 0o660), (0o644, 0o600), (0o600, 0o600)])
@pytest.mark.sqlite  # PostgreSQL's lock has no file
def test_only_who_may_write_the_database_can_hold_the_lock_of_imports(lists, tmp_path, mode, expected):
    """To lock a file it is enough to be able to read it."""
    (tmp_path / "portal.db").chmod(mode)
    lock = tmp_path / "portal.db.import-lock"
    lock.touch(0o644)  # left behind by a former version
    with importing.import_lock(lists.db):
        assert lock.stat().st_mode & 0o777 == expected


def test_a_cell_that_was_swapped_with_another_rows_is_refused(lists):
    lists.take_in(HEADER + numbered(2))
    with lists.db.write() as session:
        first, second = session.scalars(select(ExposedPerson)).all()
        blobs = first.blob, second.blob
        for row, blob in ((first, blobs[1]), (second, blobs[0])):
            session.execute(
                update(ExposedPerson).where(ExposedPerson.fold_index == row.fold_index).values(blob=blob)
            )
    with pytest.raises(VaultError):
        people_of(lists)


def test_a_cell_of_another_version_is_refused(lists):
    lists.take_in(HEADER + ANN)
    lists.take_in(HEADER + ANN)
    with lists.db.write() as session:
        old = session.scalars(select(ExposedPerson).where(ExposedPerson.list_id == 1)).one()
        session.execute(update(ExposedPerson).where(ExposedPerson.list_id == 2).values(blob=old.blob))
    with pytest.raises(VaultError):
        people_of(lists, 2)


def test_a_list_whose_key_is_destroyed_cannot_be_read_or_activated(lists):
    lists.take_in(HEADER + ANN)
    with lists.db.write() as session:
        session.execute(update(ExposureList).values(data_key=None))
    with pytest.raises(service.ListDestroyed):
        people_of(lists)
    with pytest.raises(service.ListDestroyed):
        lists.activate(1)


def test_exposed_people_are_counted_by_class(lists):
    lists.live(ANN + numbered(1200))
    with lists.db.read() as session:
        incident_id = lists.id_of(SLUG)
        version = service.needed(session, lists.vault, incident_id)
        people, _ = service.people_after(session, lists.vault, version, b"", 2000)
        assert service.exposed_count(session, lists.vault, incident_id, "passwords") == 1
    (ann,) = (person for _, person in people if person and service.exposes(person, "Passwords"))
    assert (ann.address, ann.account_ref, ann.locale) == ("ann@northwind.example", "7", "en")
    assert sum(bool(person and service.exposes(person, "Names")) for _, person in people) == 1200


def limited(environ: Mapping[str, str], file: Path, most: int) -> subprocess.CompletedProcess[str]:
    def cap() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    return subprocess.run(
        [PORTAL, "exposure", "import", SLUG, file, "--activate", "--replace"],
        env={**os.environ, **environ}, cwd=ROOT, preexec_fn=cap, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("database_url", "rows", "what"),
    [
        ("sqlite", 200_000, "disk failed"),
        (
            "sqlite",
            30_000,
            "portal.db failed, or is full (SQLITE_IOERR_WRITE)",
        ),  # what is sorted fits in memory; the table does not fit on the disk
        pytest.param("postgresql", 200_000, "disk failed", marks=pytest.mark.postgres),
    ],
    indirect=["database_url"],
)
def test_a_full_disk_stops_an_import_and_leaves_nothing_live(
    lists, environ, worker_parts, tmp_path, rows, what
):
    lists.live(ANN)
    file = tmp_path / "big.csv"
    file.write_text(HEADER + numbered(rows))
    database = Path(environ["PORTAL_DATABASE_URL"].removeprefix("sqlite:///"))
    room = database.stat().st_size + 4_000_000 if database.is_file() else 30_000_000
    finished = limited(environ, file, room)
    assert finished.returncode == 1
    assert what in finished.stderr
    # A limit of the file size shows no lack of room beforehand: removing may fail too.
    assert re.search("Nothing was stored|the worker removes them as soon as it can", finished.stderr)
    assert "Traceback" not in finished.stderr
    with lists.db.read() as session:
        active = service.active(session, lists.id_of(SLUG))
        assert active is not None
        assert active.people == 1
        assert len(service.versions(session, lists.id_of(SLUG))) == 1
    assert nothing_lies_beside(lists.db)
    # The disk has room again: what it was too full to remove goes, and the import goes through.
    jobs.clear(worker_parts)
    assert lists.stored() == (1, 1), "something of the failed import is left"
    assert lists.take_in(HEADER + numbered(3)).people == 3
    assert lists.stored() == (2, 4)


def test_an_import_that_is_killed_leaves_nothing_live_and_the_next_one_clears_up(
    lists, environ, worker_parts, tmp_path
):
    file = tmp_path / "big.csv"
    file.write_text(HEADER + numbered(60_000))
    program = textwrap.dedent(f"""
        import sys
        from portal.exposure import people
        wait = people.insert_chunk
        def slowly(session, chunk, *, sqlite):
            wait(session, chunk, sqlite=sqlite)
            print("chunk", flush=True)
        people.insert_chunk = slowly
        from portal.cli import main
        main(["exposure", "import", "{SLUG}", {str(file)!r}, "--activate"])
    """)
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, **environ},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for _ in range(3):
            said = process.stdout.readline()
            while said and said != "chunk\n":
                said = process.stdout.readline()
            assert said, "the import ended before it could be killed"
        process.kill()
    versions, people = lists.stored()
    assert versions == 1
    assert people > 0
    with importing.import_lock(lists.db):
        jobs.clear(worker_parts)
    assert lists.stored() == (1, people), "it was taken from under an import that is at work"
    with lists.db.read() as session:
        assert service.active(session, lists.id_of(SLUG)) is None
        assert service.versions(session, lists.id_of(SLUG)) == []
    with lists.db.write() as session, pytest.raises(service.ListUnknown):
        activating.activate(session, lists.vault, lists.id_of(SLUG), 1, lists.clock.now())
    jobs.clear(worker_parts)
    assert lists.stored() == (0, 0)
    assert lists.take_in(HEADER + ANN).people == 1
    assert lists.stored() == (1, 1)


def test_others_can_write_while_an_import_runs(lists, environ, tmp_path):
    file = tmp_path / "big.csv"
    file.write_text(HEADER + numbered(60_000))
    with subprocess.Popen(
        [PORTAL, "exposure", "import", SLUG, file],
        env={**os.environ, **environ},
        cwd=ROOT,
        stdout=subprocess.PIPE,
    ) as process:
        seen = written_meanwhile(
            lists.db,
            lambda session: session.scalar(select(func.count()).select_from(ExposedPerson)),
            running=lambda: process.poll() is None,
        )
    assert process.returncode == 0
    assert (
        len(seen - {0, 60_000}) >= 3
    )  # while it stores; without room for others none of them comes in between


def test_the_commands_do_the_whole_way(lists, environ, tmp_path):
    file = tmp_path / "people.csv"
    ann = ANN.replace("Passwords", "Names")
    file.write_text(HEADER + ann + ann + numbered(9))
    said = command(environ, "exposure", "import", SLUG, file, "--dry-run")
    assert "people: 10" in said
    assert "1 row named a person again" in said
    assert "dry run" in said
    said = command(environ, "exposure", "import", SLUG, file, "--activate")
    assert "Version 1 is active. People: 10; addresses: 10." in said
    assert "version 1" in command(environ, "exposure", "list", SLUG)
    assert "active" in command(environ, "exposure", "list", SLUG)
    assert "ann@" not in said
    assert "The audit log is intact" in command(environ, "audit", "verify")
