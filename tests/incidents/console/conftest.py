"""The console with a worker beside it, and members of staff who are signed in."""

import threading
import time
from collections.abc import Callable, Iterator

import pyotp
import pytest
from flask import Flask

from portal.console.application import create_console
from portal.core.clock import FixedClock
from portal.core.db import Database
from portal.core.settings import Settings
from portal.crypto import keys
from portal.crypto.keys import WorkerKeys
from portal.identity.sealed.jobs import Jobs
from portal.runtime.parts import WorkerParts
from portal.staff import members, sessions
from portal.staff.roles import Role
from portal.staff.sign_in import credentials
from tests.visitor import SAME_SITE, Visitor

SECRET = "KRSXG5DBOV2GQ33SMF3WQZLSMVXW4ZJA"
SignIn = Callable[..., "Member"]


class Member(Visitor):
    """The browser of a member of staff; `send` fills in a page's form, `code` is what their app shows."""

    name: str
    clock: FixedClock

    def send(self, page: str, /, *, to: str | None = None, **fields: object):
        answer = self.submit(page, to=to, **fields)
        assert answer.status_code in (200, 303, 409, 422), answer.text
        return answer

    def read(self, page: str) -> str:
        answer = self.get(page)
        assert answer.status_code == 200, answer.status
        return str(answer.text)

    def autosave(self, page: str, /, **fields: object):
        """Save as the page's script does."""
        return self.post(page, data=fields, headers=SAME_SITE | {"Accept": "application/json"})

    @property
    def code(self) -> str:
        return pyotp.TOTP(SECRET).at(self.clock.now())


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return environ | {"PORTAL_CONSOLE_URL": "http://localhost:8100"}


@pytest.fixture
def console(settings: Settings, db: Database, clock: FixedClock, worker_keys: WorkerKeys) -> Flask:
    app = create_console(settings, db=db, clock=clock, console_keys=keys.for_console(worker_keys))
    app.test_client_class = Member
    return app


@pytest.fixture
def working(worker_parts: WorkerParts) -> Iterator[None]:
    """The worker's answers to what the console orders."""
    jobs, over = Jobs(worker_parts), threading.Event()

    def work() -> None:
        while not over.is_set():
            jobs.step()
            time.sleep(0.01)

    jobs.step()
    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()
    jobs.close()


@pytest.fixture
def sign_in(console: Flask, db: Database, clock: FixedClock, worker_parts: WorkerParts) -> SignIn:
    """Signs in a member of staff with a role, by their name."""

    def begin(name: str, *roles: Role) -> Member:
        vault, now = worker_parts.vault, clock.now()
        with db.write() as session:
            wanted = roles or (Role.AUTHOR,)
            address = f"{name.lower()}@northwind.example"
            member = members.add(session, vault, address, wanted, "en", now, name)
            credentials.set_code(session, vault, member.id, SECRET, 0, now)
            member = members.activate(session, vault, member, name, "en")
            token = sessions.begin(session, vault, member, "code", "Firefox/Linux", now)
        browser = console.test_client()
        assert isinstance(browser, Member)
        browser.name, browser.clock = name, clock
        with browser.session_transaction() as cookie:
            cookie["staff"] = token
        return browser

    return begin


@pytest.fixture
def ana(sign_in: SignIn) -> Member:
    """An author."""
    return sign_in("Ana")


@pytest.fixture
def ben(sign_in: SignIn) -> Member:
    """Who approves."""
    return sign_in("Ben", Role.APPROVER)
