"""A backup is made while the portal runs; a restore replaces it for both users, or changes nothing."""

import sqlite3
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from portal.core.db import Database
from portal.crypto import keys, self_test
from portal.crypto.vault import WorkerVault
from tests.processes import working

# A copy of an SQLite file is what is tested.
pytestmark = pytest.mark.sqlite


@pytest.fixture
def database_file(tmp_path):
    return tmp_path / "portal.db"


@pytest.fixture
def copy(tmp_path):
    return tmp_path / "backup.db"


def add(db, name):
    with db.write() as session:
        session.execute(
            text("INSERT INTO rate_buckets VALUES (:name, 1, '2999-01-01 00:00:00.000000')"),
            {"name": name.ljust(16).encode()},
        )


def names(url):
    database = Database(url)
    with database.read() as session:
        found = [
            bytes(name).decode(errors="replace").strip()
            for name in session.scalars(text("SELECT bucket FROM rate_buckets"))
        ]
    database.dispose()
    return found


def has_beaten(url):
    """Whether a worker is at work, which it says once it has the database open."""
    database = Database(url)
    with database.read() as session:
        beaten = session.scalar(text("SELECT count(*) FROM worker_heartbeats"))
    database.dispose()
    return beaten > 0


def leave_behind(file):
    """Write as a process does that is then killed: what SQLite keeps beside the file stays there."""
    connection = sqlite3.connect(file)
    connection.execute(
        "INSERT INTO rate_buckets VALUES (x'00000000000000000000000000000000', 1, '2026-11-23')"
    )
    connection.commit()
    beside = {
        path: path.read_bytes() for path in (file.with_name(f"portal.db{end}") for end in ("-wal", "-shm"))
    }
    connection.close()
    for path, written in beside.items():
        path.write_bytes(written)


def test_a_backup_made_while_others_write_is_put_back_over_a_database_that_went_on(
    run, db, database_url, database_file, copy
):
    add(db, "before")
    with db.write() as session:  # another is at work
        session.execute(text("DELETE FROM rate_buckets WHERE 0"))
        assert run("db", "backup", str(copy)).exit_code == 0
    assert copy.stat().st_mode & 0o777 == 0o600
    assert "never overwritten" in run("db", "backup", str(copy)).output
    add(db, "after")
    db.dispose()
    leave_behind(database_file)
    result = run("db", "restore", str(copy))
    assert result.exit_code == 0, result.output
    assert not database_file.with_name("portal.db-wal").exists()
    assert names(database_url) == ["before"]
    assert database_file.stat().st_mode & 0o777 == 0o660
    assert database_file.stat().st_gid == database_file.parent.stat().st_gid
    assert run("doctor").exit_code == 0
    assert sorted(path.name for path in database_file.parent.glob(".*")) == []


def test_a_damaged_database_and_one_that_is_gone_are_replaced(run, db, database_url, database_file, copy):
    add(db, "before")
    assert run("db", "backup", str(copy)).exit_code == 0
    db.dispose()
    database_file.write_bytes(b"lost " * 1000)
    assert run("db", "restore", str(copy)).exit_code == 0
    assert names(database_url) == ["before"]
    database_file.unlink()
    assert run("db", "restore", str(copy)).exit_code == 0
    assert names(database_url) == ["before"]


def test_nothing_is_put_back_while_the_worker_runs(
    run, environ, db, database_url, database_file, copy, tmp_path
):
    assert run("db", "backup", str(copy)).exit_code == 0
    add(db, "after")
    db.dispose()
    with working(environ, tmp_path / "log"):
        end = time.monotonic() + 60
        while not has_beaten(database_url):
            assert time.monotonic() < end, (tmp_path / "log").read_text()
            time.sleep(0.1)
        refused = run("db", "restore", str(copy))
    assert refused.exit_code == 1
    assert "stop portal serve, portal worker and portal console" in refused.output
    assert "after" in names(database_url)
    assert run("db", "restore", str(copy)).exit_code == 0
    assert "after" not in names(database_url)


@pytest.mark.parametrize("kind", ["text", "cut off", "another database", "other keys", "itself", "no keys"])
def test_what_is_not_this_database_is_not_put_back(
    run, db, database_url, worker_keys, database_file, copy, tmp_path, kind
):
    add(db, "before")
    self_test.check_or_store(db, WorkerVault(worker_keys))
    assert run("db", "backup", str(copy)).exit_code == 0
    db.dispose()
    if kind == "text":
        copy.write_text("email\nsam@example.com\n")
    elif kind == "cut off":
        copy.write_bytes(copy.read_bytes()[:20_000])
    elif kind == "another database":
        copy.unlink()
        connection = sqlite3.connect(copy)
        connection.execute("CREATE TABLE t (x)")
        connection.close()
    elif kind == "other keys":
        (tmp_path / "keys/worker.json").unlink()
        (tmp_path / "keys/web.json").unlink()
        keys.write_pair(*keys.generate(), tmp_path / "keys/web.json", tmp_path / "keys/worker.json")
    elif kind == "no keys":
        (tmp_path / "keys/worker.json").unlink()
    before = database_file.read_bytes()
    result = run("db", "restore", str(database_file if kind == "itself" else copy))
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert database_file.read_bytes() == before
    assert list(tmp_path.glob(".*")) == []


def test_a_backup_that_fails_leaves_no_file(run, tmp_path):
    result = run("db", "backup", str(tmp_path / "no/such/folder.db"))
    assert result.exit_code == 1
    assert "No such file or directory" in result.output
    missing = run("db", "backup", str(tmp_path / "copy.db"), PORTAL_DATABASE_URL=f"sqlite:///{tmp_path}")
    assert missing.exit_code == 1
    assert not (tmp_path / "copy.db").exists()


def test_postgresql_is_restored_with_its_own_tool(run, copy):
    copy.touch()
    url = "postgresql://portal:a-long-secret@127.0.0.1:1/portal"
    assert "pg_restore" in run("db", "restore", str(copy), PORTAL_DATABASE_URL=url).output


def test_a_backup_of_postgresql_without_its_client_leaves_no_file(run, copy, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    url = "postgresql://portal:a-long-secret@127.0.0.1:1/portal"
    result = run("db", "backup", str(copy), PORTAL_DATABASE_URL=url)
    assert result.exit_code == 1
    assert "pg_dump is not installed" in result.output
    assert not copy.exists()


def test_a_restore_that_fails_at_its_end_leaves_the_former_database_its_last_commits(
    run, db, database_url, database_file, copy, monkeypatch
):
    add(db, "before")
    assert run("db", "backup", str(copy)).exit_code == 0
    db.dispose()
    leave_behind(database_file)
    lying = database_file.with_name("portal.db-wal")
    kept = lying.read_bytes()
    replace = Path.replace

    def fails(self, target):
        if Path(target) == database_file:
            raise OSError(5, "Input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fails)
    assert run("db", "restore", str(copy)).exit_code == 1
    monkeypatch.undo()
    assert kept
    assert lying.read_bytes() == kept
    assert [path.name for path in database_file.parent.glob(".*")] == []
    assert len(names(database_url)) == 2
    assert run("db", "restore", str(copy)).exit_code == 0
    assert names(database_url) == ["before"]
