"""Incidents with affected lists, and the ways people come to their answer."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import func, select

from portal.core.clock import FixedClock
from portal.core.db import Database
from portal.crypto.vault import WorkerVault
from portal.exposure import importing
from portal.exposure.models import ExposedPerson, ExposureList
from portal.incidents import service as incidents
from portal.runtime.parts import WorkerParts
from portal.worker import drain
from tests.lists import activate
from tests.mailbox import Delivered, Mailbox
from tests.visitor import Visitor

SLUG = "november"
OWN_CLASSES = ("Email addresses", "Names")
HEADER = "email,account_ref,name,locale,jurisdiction,data_classes\n"


def quiet(stage: str, done: int, total: int) -> None:
    """Show nobody how far an import is."""


@dataclass
class Lists:
    """Makes incidents and gives them lists, as the commands do."""

    db: Database
    vault: WorkerVault
    clock: FixedClock
    folder: Path

    def incident(self, slug: str = SLUG, *, publish: bool = True) -> bytes:
        with self.db.write() as session:
            incident = incidents.create(session, slug, f"The incident {slug}", OWN_CLASSES, self.clock.now())
        if publish:
            with self.db.write() as session:
                incidents.publish(session, slug, self.clock.now())
        return incident.id

    def id_of(self, slug: str) -> bytes:
        with self.db.read() as session:
            return incidents.by_slug(session, slug).id

    @property
    def report(self) -> Path:
        return self.folder / "report.csv"

    def take_in(self, content: str | bytes, slug: str = SLUG, *, dry_run: bool = False) -> importing.Summary:
        file = self.folder / "list.csv"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        source = importing.Source(self.id_of(slug), OWN_CLASSES, file, self.report, widen=True)
        return importing.import_list(self.db, self.vault, self.clock, source, quiet, dry_run=dry_run)

    def activate(self, number: int, slug: str = SLUG) -> None:
        activate(self.db, self.vault, self.id_of(slug), number, self.clock.now())

    def live(self, rows: str, slug: str = SLUG) -> importing.Summary:
        """Take in rows below the full header, and activate them."""
        summary = self.take_in(HEADER + rows, slug)
        self.activate(summary.number, slug)
        return summary

    def stored(self) -> tuple[int, int]:
        """How many versions and how many people the tables hold, finished or not."""
        with self.db.read() as session:
            versions = session.scalar(select(func.count()).select_from(ExposureList)) or 0
            people = session.scalar(select(func.count()).select_from(ExposedPerson)) or 0
            return versions, people


@pytest.fixture
def lists(db: Database, worker_vault: WorkerVault, clock: FixedClock, tmp_path: Path) -> Lists:
    made = Lists(db, worker_vault, clock, tmp_path)
    made.incident()
    return made


@pytest.fixture
def check(client: Visitor, worker_parts: WorkerParts, smtp: Mailbox) -> Callable[[str], Delivered]:
    """Check an address as a person does, let the worker work, and return the mail that came."""

    def checked(address: str) -> Delivered:
        before = len(smtp.messages)
        assert client.submit("/check/", email=address).status_code == 303
        drain(worker_parts)
        (mail,) = smtp.messages[before:]
        return mail

    return checked


@pytest.fixture
def read(app) -> Callable[[Delivered], str]:
    """Open the link of a mail in a fresh browser, press the button, and return the answer's page."""

    def answer(mail: Delivered) -> str:
        browser = app.test_client()
        assert browser.get(link_in(mail)).status_code == 303
        shown = browser.submit("/check/answer/")
        assert shown.status_code == 200
        return str(shown.text)

    return answer


def link_in(mail: Delivered) -> str:
    """The path of the link that a mail carries."""
    (path,) = set(re.findall(r"http://localhost:8000(/check/answer/[a-z2-7]{32}/)", mail.text))
    return str(path)


def code_in(mail: Delivered) -> str:
    (code,) = re.findall(r": ([A-Z2-7]{4}-[A-Z2-7]{4})$", mail.text, re.MULTILINE)
    return str(code)


def words(page: str) -> str:
    """What a page says, without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
