"""Somebody who cannot reach their inbox, two of the company's people, and the worker's clock."""

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from portal.audit.staff import Operator
from portal.cases import jobs
from portal.runtime.parts import WorkerParts
from portal.worker import drain
from tests.commands import Portal, context, portal
from tests.mailbox import Mailbox
from tests.reset.journey import ANA, people
from tests.visitor import SAME_SITE, Visitor, hidden

__all__ = ["context", "people", "portal"]

NEW = "ana@other.example"
PHONE = "+34 600 123 456, after six"
VERIFY, NOTICE, RESET = (
    "Confirm your new address",
    "Someone says they can’t open this inbox",
    "Choose your new password",
)
WRONG = "We don’t know a case with this number and code"


@dataclass
class OpenCase:
    """A case as the person has it."""

    number: str
    code: str


@pytest.fixture
def as_staff(monkeypatch):
    """Say who sits at the terminal."""

    def sits(user: str) -> None:
        monkeypatch.setattr("portal.cases.commands.operator", lambda: Operator(user, "portal-worker"))

    sits("sam")
    return sits


@pytest.fixture
def open_case(client):
    def opened(contact: str = PHONE, visitor: Visitor = client) -> OpenCase:
        page = visitor.submit("/cases/new/", contact=contact).text
        sent = hidden(page)
        return OpenCase(sent["number"], sent["code"])

    return opened


@pytest.fixture
def shown(client):
    """What the person sees of a case."""

    def look(case: OpenCase, visitor: Visitor = client, status: int = 200) -> str:
        answer = visitor.submit("/cases/", number=case.number, code=case.code)
        assert answer.status_code == status
        return unescape(answer.text.split("<main")[1].split("</main")[0])

    return look


@dataclass
class Time:
    """Lets time pass as it does: the worker looks every few minutes."""

    parts: WorkerParts
    clock: Any

    def work(self) -> None:
        drain(self.parts)
        jobs.look(self.parts)
        drain(self.parts)

    def passes(self, hours: float) -> None:
        self.work()
        end = self.clock.now() + timedelta(hours=hours)
        while self.clock.now() < end:
            self.clock.advance(min(timedelta(minutes=80), end - self.clock.now()))
            jobs.look(self.parts)
        self.work()


@pytest.fixture
def time(worker_parts, clock) -> Time:
    return Time(worker_parts, clock)


@pytest.fixture
def proved(portal: Portal, as_staff, open_case, people):
    """A case whose proof one person recorded."""

    def make(*options: str, address: str = ANA) -> OpenCase:
        case: OpenCase = open_case()
        as_staff("sam")
        words = ("--new-address", NEW, "--how", "passport seen on a call", *options)
        portal("cases", "prove", case.number, "--address", address, *words)
        return case

    people.add(ANA)
    return make


@pytest.fixture
def read(portal: Portal):
    """Read a proof at the terminal, and return its mark."""

    def mark_of(case: OpenCase) -> str:
        shown = json.loads(portal("cases", "show", case.number, "--reason", "t", "--json").stdout)
        return str(shown["case"]["proof"])

    return mark_of


@pytest.fixture
def confirm(portal: Portal, read):
    """Read a proof and confirm it, as who sits at the terminal."""

    def confirmed(case: OpenCase, status: int = 0) -> Any:
        return portal("cases", "confirm", case.number, "--proof", read(case), status=status)

    return confirmed


@pytest.fixture
def confirmed(proved, confirm, as_staff, time):
    """A case that a second person confirmed; its mails have left, and the wait has begun."""

    def make(*options: str) -> OpenCase:
        case = proved(*options)
        as_staff("kim")
        confirm(case)
        time.work()
        time.passes(1.5)
        return case

    return make


@pytest.fixture
def press(app, smtp: Mailbox):
    """Open the newest link of a case's mails at an address, and press the page's button."""

    def pressed(what: str, to: str, *, look_only: bool = False, number: int = -1, sure: bool = True):
        visitor = app.test_client()
        links = [re.findall(rf"/cases/{what}/[a-z2-7]{{32}}/", mail.text) for mail in smtp.to(to)]
        opened = visitor.get([found[0] for found in links if found][number])
        page = visitor.get(opened.location)
        if look_only or page.status_code != 200:
            return page
        fields = hidden(page.text) | ({"sure": "y"} if what == "stop" and sure else {})
        return visitor.post(opened.location.split("?")[0], data=fields, headers=SAME_SITE)

    return pressed


@pytest.fixture
def subjects(smtp: Mailbox):
    return lambda address: [mail.message["Subject"] for mail in smtp.to(address)]
