"""The upgrade as the guide describes it, of a database that an earlier version loaded and an operator kept.

Its rows and keys are those of `tests/crypto/written_before`: four customers, one incident with its affected
list, a subscriber, an update that nobody was told of yet, a request and mails that wait.
"""

import json
import os
import shutil
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import JSON, Boolean, Column, DateTime, MetaData, text

from portal.app import create_app, worker_parts
from portal.core.clock import FixedClock, SystemClock
from portal.core.db import Database
from portal.core.settings import Settings
from portal.crypto import keys
from portal.crypto.vault import WorkerVault
from portal.runtime import schema
from portal.subscriptions import jobs as subscriptions
from portal.worker import drain
from tests.visitor import Visitor

BEFORE = Path(__file__).parents[1] / "crypto/written_before"
WRITTEN: dict[str, Any] = json.loads((BEFORE / "portal.json").read_text())
REVISION = "0011_intake_order"
REFUSAL = "is not at this version; run: portal db upgrade."
PASSWORD = "a lantern for eleven owls"
ANA, EVE, LOU, MIA = (f"{name}@northwind.example" for name in ("ana", "eve", "lou", "mia"))


@pytest.fixture
def database_url(empty_db: Database) -> str:
    """A database at the earlier version's revision, with its rows."""
    schema.upgrade(empty_db, REVISION)
    with empty_db.engine.begin() as connection:
        metadata = MetaData()
        metadata.reflect(connection)
        for table in reversed(metadata.sorted_tables):
            if table.name in WRITTEN["rows"]:
                connection.execute(table.delete())
        for table in metadata.sorted_tables:
            for row in WRITTEN["rows"].get(table.name, ()):
                values = {name: as_stored(value, table.columns[name]) for name, value in row.items()}
                connection.execute(table.insert(), values)
        if not empty_db.is_sqlite:  # the rows brought their numbers
            connection.execute(text("SELECT setval(pg_get_serial_sequence('exposure_lists', 'id'), 1)"))
    return empty_db.engine.url.render_as_string(hide_password=False)


def as_stored(value: Any, column: Column[Any]) -> Any:
    if isinstance(value, dict):
        return b64decode(value["bytes"])
    if value is not None and isinstance(column.type, DateTime):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    if value is not None and isinstance(column.type, JSON):
        return json.loads(value)
    return bool(value) if isinstance(column.type, Boolean) else value


@pytest.fixture
def environ(environ: dict[str, str], tmp_path: Path) -> dict[str, str]:
    for name in ("web", "worker"):
        kept = tmp_path / f"kept-{name}.json"
        shutil.copyfile(BEFORE / f"{name}-keys.json", kept)
        kept.chmod(0o600)
        environ[f"PORTAL_{name.upper()}_KEYS_FILE"] = str(kept)
    return environ


@pytest.fixture(autouse=True)
def pg_dump(request: pytest.FixtureRequest, empty_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the server's version comes first."""
    if not empty_db.is_sqlite:
        programs = request.getfixturevalue("postgres").programs
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")


def said(result: Any, status: int = 0) -> str:
    assert result.exit_code == status, result.output
    return str(result.output)


def test_backup_upgrade_doctor_and_then_everything_works(environ, run, empty_db, smtp, tmp_path):
    assert f"WRONG database: {REFUSAL.removesuffix('.')}" in said(run("doctor"), 1)
    for refused in (("serve",), ("worker",), ("campaigns", "notify", "november")):
        assert REFUSAL in said(run(*refused), 1)

    kept = tmp_path / "before.backup"
    said(run("db", "backup", str(kept)))
    assert said(run("db", "upgrade")) == "The database is up to date.\n"
    checked = run("doctor").output.splitlines()
    assert {"ok    database", "ok    keys and database"} <= {*checked}
    assert "7 entries, signed up to entry 7" in said(run("audit", "verify"))

    settings = Settings.from_env(environ)
    clock = FixedClock(datetime.fromisoformat(WRITTEN["now"]))
    app = create_app(settings, db=empty_db, clock=clock)
    app.test_client_class = Visitor
    vault = WorkerVault(keys.read_worker(settings.keys.worker_file))
    worker = worker_parts(settings, empty_db, clock, vault)
    client, browser = (cast("Visitor", app.test_client()) for _ in range(2))
    assert client.submit("/sign-in/", email=LOU, password=PASSWORD).status_code == 303

    client.submit("/check/", email=EVE)
    subscriptions.announce(worker)
    drain(worker)
    (answer,) = [mail for mail in smtp.to(EVE) if "/check/answer/" in mail.text]
    assert len([mail for mail in smtp.to(ANA) if "There’s news for you" in mail.text]) == 1
    browser.get("/check/answer/" + answer.text.split("/check/answer/")[1].split()[0])
    assert "Password" in browser.submit("/check/answer/").text

    people = tmp_path / "people.csv"
    people.write_text(f"email\n{ANA}\n{EVE}\n{MIA}\n", encoding="utf-8")
    said(run("exposure", "import", "november", str(people), "--activate"))
    said(run("campaigns", "notify", "november", "--confirm", "3"))
    before = len(smtp.messages)
    drain(worker_parts(settings, empty_db, SystemClock(), vault))  # as the commands have
    # The other two got theirs from the earlier version.
    assert [mail.recipients for mail in smtp.messages[before:]] == [(MIA,)]

    if empty_db.is_sqlite:  # going back: the former database again, which needs the former code, or this path
        empty_db.dispose()
        said(run("db", "restore", str(kept)))
        assert REFUSAL in said(run("worker"), 1)
        assert said(run("db", "upgrade")) == "The database is up to date.\n"
