"""A store of another package: built, installed and chosen without a change of the portal."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from portal.core.settings import Settings
from portal.identity import registry
from tests.identity.contract import Contract, Customer, Shop
from tests.processes import ROOT
from tests.wheel import UV, unpack

PORTAL = Path(sys.executable).with_name("portal")
ENVIRON = {
    "PORTAL_ENVIRONMENT": "test",
    "PORTAL_MAIL_SENDER": "a@example.com",
    "PORTAL_IDENTITY_STORE": "acme",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Path]:
    """A folder with the example as it is once its wheel is installed."""
    source, wheels, installed = (tmp_path_factory.mktemp(name) for name in ("source", "wheels", "site"))
    shutil.copytree(ROOT / "examples/own_store", source, dirs_exist_ok=True)
    words = ("--quiet", "--offline", "--no-build-isolation", "--python", sys.executable, "--out-dir", wheels)
    subprocess.run([UV, "build", "--wheel", *words], cwd=source, check=True)
    (wheel,) = wheels.glob("*.whl")
    unpack(wheel, installed)
    sys.path.insert(0, str(installed))
    registry.load.cache_clear()
    yield installed
    sys.path.remove(str(installed))
    sys.modules.pop("acme_store", None)
    registry.load.cache_clear()


class Table:
    """The company's product: the table that the example reads."""

    def __init__(self, file: Path, store: Any) -> None:
        self.file, self.store = file, store
        self.hashes: dict[str | None, str] = {None: ""}
        self._run("CREATE TABLE accounts (id INTEGER PRIMARY KEY, address TEXT, name TEXT, hash TEXT)", [()])

    def _run(self, statement: str, rows: Sequence[tuple[str, ...]]) -> None:
        with closing(sqlite3.connect(self.file)) as database, database:
            database.executemany(statement, rows)

    def add(self, customers: Sequence[Customer]) -> None:
        for password in {customer.password for customer in customers} - {None}:
            self.hashes.setdefault(password, self.store._hash(password))
        rows = [(each.address, each.name, self.hashes[each.password]) for each in customers]
        self._run("INSERT INTO accounts (address, name, hash) VALUES (?, ?, ?)", rows)

    def remove(self, address: str) -> None:
        self._run("DELETE FROM accounts WHERE address = ?", [(address,)])

    def open_session(self, address: str) -> None:
        raise NotImplementedError

    def has_session(self, address: str) -> bool:
        raise NotImplementedError


class TestOwnStore(Contract):
    @pytest.fixture
    def shop(self, site, tmp_path) -> Shop:
        file = tmp_path / "acme.db"
        own = {"PORTAL_IDENTITY_ACME_FILE": str(file), "PORTAL_IDENTITY_ACME_COST": "16"}
        store = registry.build(Settings.from_env(ENVIRON | own))
        return Shop(store, Table(file, store))


def test_a_pepper_that_others_can_read_is_wrong(site, tmp_path):
    file, pepper = tmp_path / "acme.db", tmp_path / "pepper"
    Table(file, None)
    pepper.write_text("of Acme\n")
    pepper.chmod(0o640)
    given = {"FILE": str(file), "PEPPER_FILE": str(pepper)}
    assert examined(site, tmp_path, **given)[-1] == "ok    PORTAL_IDENTITY_ACME_PEPPER_FILE"
    pepper.chmod(0o644)
    assert examined(site, tmp_path, **given)[-1] == (
        f"WRONG PORTAL_IDENTITY_ACME_PEPPER_FILE: other users can read {pepper}; run as root: "
        f"chown portal-worker {pepper} && chmod 400 {pepper}"
    )


def test_a_pepper_is_part_of_each_hash(site, tmp_path):
    own = {"PORTAL_IDENTITY_ACME_FILE": "x", "PORTAL_IDENTITY_ACME_COST": "16"}
    plain: Any = registry.build(Settings.from_env(ENVIRON | own))
    peppered: Any = registry.build(
        Settings.from_env(ENVIRON | own | {"PORTAL_IDENTITY_ACME_PEPPER": "of Acme"})
    )
    stored = peppered._hash("a lantern")
    assert peppered._fits("a lantern", stored)
    assert not plain._fits("a lantern", stored)


def examined(site: Path, folder: Path, **own: str) -> list[str]:
    """The lines of the doctor about the store."""
    named = {f"PORTAL_IDENTITY_ACME_{name}": value for name, value in own.items()}
    environ = ENVIRON | named | {"PYTHONPATH": str(site), "PATH": os.environ["PATH"]}
    command = [str(PORTAL), "doctor", "--env-file", os.devnull]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    return [line for line in done.stdout.splitlines() if "identity store" in line or "_ACME_" in line]


def test_the_portal_s_own_command_takes_it_and_says_what_is_wrong_with_its_settings(site, tmp_path):
    def doctor(**own: str) -> str:
        (line,) = examined(site, tmp_path, **own)
        return line

    file = tmp_path / "acme.db"
    Table(file, None)
    assert "ok" in doctor(FILE=str(file))
    assert "WRONG" in doctor(FILE=str(tmp_path / "away" / "acme.db"))
    assert "PORTAL_IDENTITY_ACME_FILE: is required" in doctor()
    assert "PORTAL_IDENTITY_ACME_COTS: unknown setting" in doctor(FILE="/srv/acme.db", COTS="16")
