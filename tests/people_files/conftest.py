"""Files of people go through the real command, and the people that it stored come back."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from portal.core.db import Database
from portal.crypto.vault import WorkerVault
from portal.exposure import service
from portal.exposure.models import ExposureList
from portal.exposure.people import Person
from portal.incidents import service as incidents
from tests.commands import Portal, context, portal

__all__ = ["context", "portal"]
SLUG = "november"
CASES = Path(__file__).parent / "cases"
MADE = Path(__file__).parent / "made"

Take = Callable[..., Result]


@pytest.fixture
def take(portal: Portal, db: Database, clock, tmp_path: Path) -> Take:
    """Import a file of the cases, or one with this content, as an operator does."""
    with db.write() as session:
        incidents.create(session, SLUG, "A theft", ("Email addresses", "Names", "Passwords"), clock.now())

    def run(file: str | Path | bytes, *options: str, status: int = 0) -> Result:
        path = file
        if isinstance(file, bytes):
            path = tmp_path / "people.csv"
            path.write_bytes(file)
        elif isinstance(file, str):
            path = CASES / file
        report = tmp_path / "report.csv"
        return portal("exposure", "import", SLUG, path, "--report", report, *options, status=status)

    return run


@pytest.fixture
def people(db: Database, worker_vault: WorkerVault) -> Callable[[], list[Person]]:
    """The people of the newest version, by address."""

    def stored() -> list[Person]:
        with db.read() as session:
            version = session.query(ExposureList).order_by(ExposureList.number.desc()).first()
            if version is None:
                return []
            found, _ = service.people_after(session, worker_vault, version, b"", 1_000)
        return sorted((person for _, person in found if person), key=lambda person: person.address)

    return stored
