import re
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask

from portal.incidents import announcing, writing
from portal.incidents import service as incidents
from portal.incidents.writing import Notify, UpdateText
from portal.runtime.parts import WorkerParts
from portal.subscriptions import jobs
from portal.worker import drain
from tests.mailbox import Delivered, Mailbox
from tests.traces import contents
from tests.visitor import Visitor, main_of

SLUG = "booking-system"
TITLE = "Break-in at our booking system"


@dataclass
class House:
    """The whole portal on one database: its pages, its worker, its mailbox."""

    app: Flask
    worker: WorkerParts
    smtp: Mailbox

    def visitor(self) -> Visitor:
        visitor = self.app.test_client()
        assert isinstance(visitor, Visitor)
        return visitor

    def incident(
        self, slug: str = SLUG, title: str = TITLE, *, public: bool = True, discreet: bool = False
    ) -> bytes:
        now = self.worker.clock.now()
        with self.worker.db.write() as session:
            incident = incidents.create(session, slug, title, ("Passwords",), now, discreet=discreet)
            if public:
                incidents.publish(session, slug, now)
            return incident.id

    def id_of(self, slug: str) -> bytes:
        with self.worker.db.read() as session:
            return incidents.by_slug(session, slug).id

    def publish(self, slug: str) -> None:
        with self.worker.db.write() as session:
            announcing.publish(session, self.worker.vault, slug, self.worker.clock.now())

    def update(
        self,
        title: str,
        *,
        slug: str = SLUG,
        notify: bool = True,
        language: str = "en",
        number: int | None = None,
        body: str = "What we **know**.",
    ) -> int:
        now = self.worker.clock.now()
        wanted = Notify.YES if notify else Notify.NO
        words = UpdateText(
            language, "contained", title, body, now, wanted if number is None else Notify.UNCHANGED
        )
        with self.worker.db.write() as session:
            if number is not None:
                row = writing.edit_update(session, slug, number, words, now).update
            else:
                row = writing.add_update(session, slug, words, now)
            announcing.sign(session, self.worker.vault, row)
            return row.number

    def work(self) -> None:
        """Let the worker do all that is due."""
        jobs.announce(self.worker)
        drain(self.worker)

    def sign_up(self, address: str, slug: str = SLUG, **headers: str) -> Visitor:
        visitor = self.visitor()
        shown = visitor.get("/subscribe/", headers=headers)
        token = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', shown.text)[0]
        fields = {"csrf_token": token, "email": address, "incident": slug}
        answer = visitor.post("/subscribe/", data=fields, headers=headers)
        assert (answer.status_code, answer.location) == (303, "/subscribe/sent/"), answer.text
        drain(self.worker)
        return visitor

    def subscribe(self, address: str, slug: str = SLUG, **headers: str) -> None:
        """Go the whole way: sign up, open the mail, press the button."""
        self.sign_up(address, slug, **headers)
        self.confirm(self.smtp.to(address)[-1])
        drain(self.worker)

    def confirm(self, mail: Delivered) -> str:
        visitor = self.visitor()
        shown = visitor.get(link_in(mail), follow_redirects=True)
        if "</form>" in main_of(shown.text):
            shown = visitor.get(visitor.submit("/subscribe/confirm/").location)
        assert shown.status_code == 200
        return shown.text

    def subscribed(self) -> int:
        return len(self.rows()["subscriptions"])

    def updates_to(self, address: str) -> list[Delivered]:
        return [mail for mail in self.smtp.to(address) if mail.message["List-Unsubscribe"]]

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table."""
        return contents(self.worker.db)


def link_in(mail: Delivered) -> str:
    """The path of the link that confirms, the same in both forms of the mail."""
    (path,) = set(
        re.findall(r"http://localhost:8000(/subscribe/confirm/[a-z2-7]{32}/)", mail.text + mail.html)
    )
    return str(path)


@pytest.fixture
def house(app, worker_parts, smtp) -> House:
    return House(app, worker_parts, smtp)


@pytest.fixture
def incident(house) -> bytes:
    return house.incident()
