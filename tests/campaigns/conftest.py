"""An operator who imports lists and sends notices."""

import signal
from collections.abc import Iterator
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
from portal.incidents import authoring, writing
from portal.incidents import service as incidents
from portal.runtime.context import Context
from tests.lists import activate
from tests.open_store import OpenStore

SLUG = "november"
STORE = OpenStore()
HEADER = "email,account_ref,name,locale\n"
STATEMENT = """\
---
title: On 28 October a thief copied our customers’ names
language: en
signed_by: Ana Ruiz
role: Managing director
---
We are sorry.

## What happened

Someone used a **stolen password** on 28 October.

## What information was involved

- your name
- your email address

## What we are doing

We closed the gap the thief used.

## What you can do

[Check](/check/) your address.

## For more information

Call +1 555 0100.
"""
SPANISH = """\
---
title: El 28 de octubre copiaron los nombres de nuestros clientes
language: es
signed_by: Ana Ruiz
role: Directora general
---
Lo sentimos.

## Qué ha pasado

Alguien usó una contraseña robada.

## Qué información se vio afectada

- su nombre

## Qué estamos haciendo

Hemos cerrado la entrada.

## Qué puede hacer usted

[Compruebe](/check/) su dirección.

## Más información

Llame al +1 555 0100.
"""


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

    def statement(self, content: str) -> None:
        """Store a statement and publish it."""
        with self.db.write() as session:
            read = authoring.read_statement(content.encode(), self.settings.site.languages)
            writing.add_statement(session, SLUG, read.text, self.clock.now())
            incidents.publish(session, SLUG, self.clock.now())

    def live(self, rows: str, classes: tuple[str, ...] = ("Names",)) -> importing.Summary:
        file = self.folder / "list.csv"
        file.write_text(HEADER + rows)
        incident_id = self.classes(classes)
        source = importing.Source(incident_id, classes, file, self.folder / "report.csv")
        summary = importing.import_list(self.db, self.vault, self.clock, source, lambda *_: None)
        activate(self.db, self.vault, incident_id, summary.number, self.clock.now())
        return summary

    def classes(self, names: tuple[str, ...]) -> bytes:
        """Let the incident list these data classes; return its id."""
        with self.db.write() as session:
            incident = incidents.by_slug(session, SLUG)
            incidents.stage_classes(session, incident, names, self.clock.now())
            if incident.state == "published":
                incidents.publish(session, SLUG, self.clock.now())
        return incident.id

    def own(self, words: str) -> Path:
        """Store a paragraph of the author's own; return its file."""
        file = self.folder / "own.md"
        file.write_text(words)
        return file

    def run(self, *arguments: str) -> Result:
        context = Context(self.settings, self.clock)
        context.db = self.db
        return CliRunner().invoke(campaigns, arguments, obj=context)

    def ledger(self) -> service.Ledger:
        with self.db.read() as session:
            return service.ledger(session, service.campaigns(session)[0])


@pytest.fixture(autouse=True)
def fails_where_it_hangs() -> Iterator[None]:
    """Fail after a minute: a fault in what may leave lets the worker look for the same mails for ever."""

    def stop(*_: object) -> None:
        pytest.fail("this took a minute, and a second is usual: does the worker go round in circles?")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def operator(
    settings: Settings, db: Database, worker_vault: WorkerVault, clock: FixedClock, tmp_path: Path
) -> Operator:
    made = Operator(settings, db, worker_vault, clock, tmp_path)
    made.incident()
    return made


def numbered(count: int) -> str:
    return "".join(f"p{i}@northwind.example,{i},Person {i},{('en', 'es', '')[i % 3]}\n" for i in range(count))
