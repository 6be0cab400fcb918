"""An operator who imports lists and sends notices."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from portal.campaigns import service
from portal.campaigns.commands import campaigns
from portal.core.clock import FixedClock
from portal.core.db import Database
from portal.core.settings import Settings
from portal.crypto.vault import WorkerVault
from portal.exposure import importing
from portal.exposure import service as exposure
from portal.identity.builtin import BuiltinStore
from portal.incidents import service as incidents
from portal.runtime.context import Context

SLUG = "november"
STORE = BuiltinStore()
HEADER = "email,account_ref,name,locale\n"


@dataclass
class Operator:
    """Imports lists and sends notices, as commands do."""

    settings: Settings
    db: Database
    vault: WorkerVault
    clock: FixedClock
    folder: Path

    def incident(self, *, publish: bool = True) -> None:
        with self.db.write() as session:
            incidents.create(session, SLUG, "The incident", ("Names",), self.clock.now())
        if publish:
            with self.db.write() as session:
                incidents.publish(session, SLUG, self.clock.now())

    def live(self, rows: str) -> importing.Summary:
        file = self.folder / "list.csv"
        file.write_text(HEADER + rows)
        with self.db.read() as session:
            incident_id = incidents.by_slug(session, SLUG).id
        source = importing.Source(incident_id, ("Names",), file, self.folder / "report.csv")
        summary = importing.import_list(self.db, self.vault, self.clock, source, lambda *_: None)
        with self.db.write() as session:
            exposure.activate(session, self.vault, incident_id, summary.number, self.clock.now())
        return summary

    def run(self, *arguments: str) -> Result:
        context = Context(self.settings, self.clock)
        context.db = self.db
        return CliRunner().invoke(campaigns, arguments, obj=context)

    def ledger(self) -> service.Ledger:
        with self.db.read() as session:
            return service.ledger(session, service.campaigns(session)[0])


@pytest.fixture
def operator(
    settings: Settings, db: Database, worker_vault: WorkerVault, clock: FixedClock, tmp_path: Path
) -> Operator:
    made = Operator(settings, db, worker_vault, clock, tmp_path)
    made.incident()
    return made


def numbered(count: int) -> str:
    return "".join(f"p{i}@northwind.example,{i},Person {i},{('en', 'es', '')[i % 3]}\n" for i in range(count))
