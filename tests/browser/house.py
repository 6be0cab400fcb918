"""A whole portal in the test's own process, with people in it: for pages that depend on what was before."""

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from click.testing import CliRunner
from flask import Flask

from portal import app as wiring
from portal.cli import load, main
from portal.core.clock import FixedClock
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.identity.service import hasher_for
from portal.incidents import service as incidents
from portal.rotation import service as rotation
from portal.runtime.context import Context
from portal.runtime.parts import WorkerParts
from portal.subscriptions import service as subscriptions
from portal.worker import drain, run_schedule
from tests.incidents.conftest import CORRECTED, STATEMENT
from tests.mailbox import Delivered, Mailbox
from tests.open_store import OpenStore
from tests.visitor import Visitor

SLUG = "november"
PASSWORD = "eleven owls at noon"
CLASSES = "Names;Passwords;Email addresses;Phone numbers;Physical addresses;Purchases"
LIST_HEADER = "email,account_ref,name,locale,jurisdiction,data_classes\n"


@dataclass
class House:
    """Its pages, its worker, its mailbox, and its command line."""

    app: Flask
    worker: WorkerParts
    smtp: Mailbox
    clock: FixedClock
    folder: Path

    @property
    def url(self) -> str:
        return self.worker.settings.base_url

    def command(self, *arguments: str | Path) -> str:
        self.clock.advance(timedelta(minutes=1))
        context = Context(
            self.worker.settings, self.clock, uses=lambda: load("portal.console.uses:INCIDENT_USES")
        )
        context.db = self.worker.db
        result = CliRunner().invoke(main, [str(argument) for argument in arguments], obj=context)
        assert result.exit_code == 0, result.output
        return str(result.output)

    def file(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.write_text(content, encoding="utf-8")
        return path

    def incident(self) -> None:
        """An incident with a corrected statement and an update that was reworded."""
        self.command("incidents", "create", SLUG, "--title", "Theft of bookings", "--classes", CLASSES)
        for number, statement in enumerate((STATEMENT, CORRECTED)):
            self.command("incidents", "statement", SLUG, self.file(f"statement-{number}.md", statement))
            self.command("incidents", "publish", SLUG, "--confirm", "--accept", "class-mismatch")
        words = ("--phase", "contained", "--title", "The way in is closed")
        self.command("incidents", "update", SLUG, *words, self.file("first.md", "We closed *one* way in."))
        self.command(
            "incidents", "update", SLUG, "--edit", "1", self.file("second.md", "We closed **two** ways in.")
        )

    def publish(self, slug: str) -> None:
        """Make an incident public without a statement, which the command refuses."""
        with self.worker.db.write() as session:
            incidents.publish(session, slug, self.clock.now())

    def live(self, *rows: str) -> None:
        """Activate a list of these rows."""
        file = self.file("list.csv", "\n".join([LIST_HEADER.rstrip("\n"), *rows, ""]))
        self.command("exposure", "import", SLUG, file, "--activate", "--replace")

    def account(self, address: str) -> bytes:
        account = NewAccount(Profile(address, "Sam Rivera"), hasher_for(self.worker.settings).hash(PASSWORD))
        with self.worker.db.write() as session:
            OpenStore().add(session, self.worker.vault, [account], self.clock.now())
            found = OpenStore().find(session, self.worker.vault, address)
        assert found is not None
        return found.id

    def remind(self, account_id: bytes) -> None:
        """Choose a reminder every three months."""
        with self.worker.db.write() as session:
            rotation.choose(session, account_id, "3", self.clock.now())

    def subscribe(self, address: str) -> None:
        with self.worker.db.write() as session:
            incident = incidents.published_by_slug(session, SLUG)
            contact = subscriptions.Contact(address, "en")
            subscriptions.confirm(session, self.worker.vault, incident.id, contact)

    def visitor(self) -> Visitor:
        visitor = self.app.test_client()
        assert isinstance(visitor, Visitor)
        return visitor

    def ask(self, page: str, address: str) -> Delivered:
        """Send an address by a form, and return the mail that came to it."""
        assert self.visitor().submit(page, email=address).status_code == 303
        self.work()
        return self.smtp.to(address)[-1]

    def work(self) -> None:
        """Let the worker do all that is due."""
        run_schedule(self.worker, wiring.SCHEDULE)
        drain(self.worker)

    def links_in(self, mail: Delivered) -> set[str]:
        """Every address of ours in a mail: in both of its forms, and in its headers."""
        written = f"{mail.text} {mail.html} {mail.message['List-Unsubscribe'] or ''}"
        return set(re.findall(rf"{self.url}(?:/[\w./-]*)?", written))

    def link_in(self, mail: Delivered, beginning: str) -> str:
        """The one link of a mail whose path begins so, and holds a token."""
        (link,) = (
            one for one in self.links_in(mail) if re.match(rf"{self.url}{beginning}[a-z2-7]{{32,}}/", one)
        )
        return link
