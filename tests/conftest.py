"""What the tests share: real databases, a real SMTP server, real keys, and a clock that stands still."""

import os
import shutil
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from flask import Flask

from portal.app import create_app
from portal.app import worker_parts as make_worker_parts
from portal.core.clock import FixedClock
from portal.core.db import Database
from portal.core.settings import Settings
from portal.crypto import hashing, keys, tokens
from portal.crypto.keys import WebKeys, WorkerKeys
from portal.crypto.vault import WebVault, WorkerVault
from portal.runtime.parts import WorkerParts
from tests import compiled, databases, processes
from tests.colleagues import ENVIRON, Office, open_office
from tests.commands import doctor, names, portal_with, production_environ, run
from tests.mailbox import Mailbox, running
from tests.postgres import PostgresServer
from tests.visitor import Visitor

__all__ = ["doctor", "names", "portal_with", "production_environ", "run"]

TESTS = Path(__file__).parent
SLOW = {"browser", "demo", "deploy", "migrations", "peers", "rehearsal"}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sqlite: runs on SQLite alone")
    config.addinivalue_line(
        "markers", "real_codes: a guess of a mailed code costs what it does in production"
    )
    compiled.once()
    # In the background of a shell a process ignores Ctrl-C, and so would what a test interrupts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """Run half as many processes again as there are cores: many tests wait for something else."""
    cores = len(os.sched_getaffinity(0))
    return cores + (cores + 1) // 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders whose tests take seconds, so that the end of a run waits for none of them."""
    items.sort(key=lambda item: item.path.relative_to(TESTS).parts[0] not in SLOW)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and hasattr(config, "_tmp_path_factory"):
        databases.stop_shared_postgres(config._tmp_path_factory.getbasetemp())


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A file whose tests need one database alone says `pytestmark = pytest.mark.sqlite`, and why."""
    if "database_url" in metafunc.fixturenames and metafunc.definition.get_closest_marker("sqlite"):
        metafunc.definition.add_marker(pytest.mark.parametrize("database_url", ["sqlite"], indirect=True))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> PostgresServer:
    """The real PostgreSQL of this run, one for all of its processes."""
    own, alone = tmp_path_factory.getbasetemp(), worker_id == "master"
    return databases.shared_postgres(own if alone else own.parent, os.getpid() if alone else os.getppid())


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return databases.sqlite_template(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty migrated database: the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        yield databases.sqlite_copy(template, tmp_path / "portal.db")
    else:
        with databases.postgres_copy(request.getfixturevalue("postgres")) as url:
            yield url
            shutil.rmtree(hashing.folder_for(url), ignore_errors=True)


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.dispose()


@pytest.fixture(autouse=True)
def cheap_codes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mailed codes are made and tried in this process a thousand times: each took 30 ms on purpose."""
    if not request.node.get_closest_marker("real_codes"):
        monkeypatch.setattr(tokens, "CODE_MEMORY", 64)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 23, 9, 0, tzinfo=UTC))


@pytest.fixture(scope="session")
def key_pair() -> tuple[WebKeys, WorkerKeys]:
    return keys.generate()


@pytest.fixture(scope="session")
def web_keys(key_pair: tuple[WebKeys, WorkerKeys]) -> WebKeys:
    return key_pair[0]


@pytest.fixture(scope="session")
def worker_keys(key_pair: tuple[WebKeys, WorkerKeys]) -> WorkerKeys:
    return key_pair[1]


@pytest.fixture(scope="session")
def key_files(key_pair: tuple[WebKeys, WorkerKeys], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both files, written once: that waits for the disk, and copying them does not."""
    folder = tmp_path_factory.mktemp("keys")
    keys.write_pair(*key_pair, folder / "web.json", folder / "worker.json")
    return folder


@pytest.fixture
def web_vault(web_keys: WebKeys) -> WebVault:
    return WebVault(web_keys)


@pytest.fixture
def worker_vault(worker_keys: WorkerKeys) -> WorkerVault:
    return WorkerVault(worker_keys)


@pytest.fixture
def smtp() -> Iterator[Mailbox]:
    """A real SMTP server on a free port; `smtp.messages` is what it got."""
    with running(Mailbox()) as mailbox:
        yield mailbox


@pytest.fixture
def refusing_port() -> Iterator[int]:
    with processes.refusing_port() as port:
        yield port


@pytest.fixture
def environ(database_url: str, smtp: Mailbox, tmp_path: Path, key_files: Path) -> dict[str, str]:
    """The environment of a whole portal: what a server or a command is started with."""
    shutil.copytree(key_files, tmp_path / "keys")
    return {
        "PORTAL_ENVIRONMENT": "test",
        "PORTAL_BASE_URL": "http://localhost:8000",
        "PORTAL_DATABASE_URL": database_url,
        "PORTAL_MAIL_URL": smtp.url,
        "PORTAL_MAIL_SENDER": "incident@northwind.example",
        "PORTAL_WEB_KEYS_FILE": str(tmp_path / "keys/web.json"),
        "PORTAL_WORKER_KEYS_FILE": str(tmp_path / "keys/worker.json"),
        "PORTAL_CONSOLE_KEYS_FILE": str(tmp_path / "keys/console.json"),
        "PORTAL_EMBEDDED": "1",
        "PORTAL_ORGANISATION": "Northwind Travel",
        "PORTAL_CONTACT_EMAIL": "help@northwind.example",
        "PORTAL_CONTACT_PHONE": "+1 555 0100",
        "PORTAL_ARGON2": "m=64,t=1,p=1",  # as cheap as it gets: tests hash much
    }


@pytest.fixture
def settings(environ: dict[str, str]) -> Settings:
    return Settings.from_env(environ)


@pytest.fixture
def app(settings: Settings, db: Database, clock: FixedClock, web_keys: WebKeys) -> Flask:
    """The web application, which holds the web keys alone."""
    app = create_app(settings, db=db, clock=clock, web_keys=web_keys)
    app.test_client_class = Visitor
    return app


@pytest.fixture
def client(app: Flask) -> Visitor:
    """A browser without the picture; `client.submit(page, email=...)` sends that page's form."""
    return cast("Visitor", app.test_client())


@pytest.fixture
def worker_parts(
    settings: Settings, db: Database, clock: FixedClock, worker_vault: WorkerVault
) -> WorkerParts:
    """What the worker works with; `portal.worker.drain(worker_parts)` does all that is due."""
    return make_worker_parts(settings, db, clock, worker_vault)


@pytest.fixture
def office(
    environ: dict[str, str],
    db: Database,
    clock: FixedClock,
    worker_keys: WorkerKeys,
    worker_vault: WorkerVault,
) -> Iterator[Office]:
    """The staff's console with a worker behind it; `office.as_role("author")` is somebody's browser."""
    settings = Settings.from_env(environ | ENVIRON)
    parts = make_worker_parts(settings, db, clock, worker_vault)
    with open_office(settings, db, clock, worker_keys, parts) as opened:
        yield opened
