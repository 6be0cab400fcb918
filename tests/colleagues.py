"""Staff in front of their browsers: a real console, a real worker's thread, and people with apps."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Thread
from typing import Any, cast

import pyotp
from flask import Flask

from portal.console.application import create_console
from portal.core.clock import FixedClock
from portal.core.db import Database
from portal.crypto import keys
from portal.crypto.keys import WorkerKeys
from portal.identity.sealed.jobs import Jobs
from portal.identity.service import hasher_for
from portal.runtime.parts import WorkerParts
from portal.staff import members, sessions
from portal.staff.roles import Role
from portal.staff.sign_in import credentials
from tests.databases import as_console
from tests.visitor import SAME_SITE, Visitor, hidden

PASSWORD = "copper-lantern-otter-midday-plume"
ENVIRON = {"PORTAL_CONSOLE_URL": "http://localhost:8001"}


@dataclass
class Colleague:
    """A member of staff, with an app that shows codes."""

    id: bytes
    address: str
    secret: str
    office: "Office"

    def code(self) -> str:
        """The code that the app shows next: half a minute passes."""
        self.office.advance(timedelta(seconds=31))
        return pyotp.TOTP(self.secret).at(self.office.clock.at)


@dataclass
class Office:
    """A console with a worker behind it, and the people who use it."""

    app: Flask
    db: Database
    clock: FixedClock
    parts: WorkerParts
    password_hash: str
    jobs: Jobs
    people: dict[str, Colleague] = field(default_factory=dict)

    def add(self, *roles: str, name: str = "") -> Colleague:
        """Add an active member with these roles, who has a password and an app."""
        name = name or roles[0].capitalize() + str(len(self.people))
        address, secret = f"{name.lower()}@northwind.example", pyotp.random_base32()
        now, vault = self.clock.now(), self.parts.vault
        with self.db.write() as session:
            wanted = frozenset(map(Role, roles))
            member = members.add(session, vault, address, wanted, "en", now, name)
            credentials.set_password(session, vault, member.id, self.password_hash, now)
            credentials.set_code(session, vault, member.id, secret, 0, now)
            members.activate(session, vault, member, name, "en")
        self.people[name] = Colleague(member.id, address, secret, self)
        return self.people[name]

    def advance(self, time: timedelta) -> None:
        """Let time pass, through which the worker beats."""
        self.clock.advance(time)
        with self.db.write() as session:
            self.jobs._key.publish(session, self.clock.now())

    def browser(self) -> Visitor:
        """A browser in which nobody is signed in."""
        return cast("Visitor", self.app.test_client())

    def sign_in(self, colleague: Colleague) -> Visitor:
        """A browser in which this person has just signed in."""
        browser = self.browser()
        answer = browser.submit(
            "/sign-in/", email=colleague.address, password=PASSWORD, code=colleague.code()
        )
        assert answer.status_code == 303, answer.text
        return browser

    def seat(self, colleague: Colleague) -> Visitor:
        """A browser in which this person is signed in, without the page for it and in no time."""
        vault, now = self.parts.vault, self.clock.now()
        with self.db.write() as session:
            member = members.verified(session, vault, colleague.id)
            token = sessions.begin(session, vault, member, "code", "Firefox/Linux", now)
        browser = self.browser()
        with browser.session_transaction() as cookie:
            cookie["staff"] = token
        return browser

    def as_role(self, *roles: str) -> Visitor:
        """A browser of somebody new with these roles."""
        return self.sign_in(self.add(*roles))

    def confirm(self, browser: Visitor, colleague: Colleague) -> None:
        """Confirm that it is still this person."""
        answer = browser.submit("/confirm/", **{"confirm-code": colleague.code()})
        assert answer.status_code == 303, answer.text


def press(browser: Visitor, page: str, to: str, **fields: Any) -> Any:
    """Send a form of `page` whose action is `to`."""
    return browser.post(to, data=hidden(browser.get(page).text) | fields, headers=SAME_SITE)


@contextmanager
def open_office(
    settings: Any, db: Database, clock: FixedClock, worker_keys: WorkerKeys, parts: WorkerParts
) -> Iterator[Office]:
    """Run a worker's thread for orders, in front of it a console."""
    own = as_console(db)
    app = create_console(settings, db=own, clock=clock, console_keys=keys.for_console(worker_keys))
    app.test_client_class = Visitor
    app.testing = True
    jobs, stopped = Jobs(parts, threads=4), Event()

    def work() -> None:
        while not stopped.wait(0.01):
            jobs.step()

    jobs.step()  # the key is published before the first order
    worker = Thread(target=work, name="worker")
    worker.start()
    try:
        yield Office(app, db, clock, parts, hasher_for(settings).hash(PASSWORD), jobs)
    finally:
        stopped.set()
        worker.join()
        jobs.close()
        own.dispose()
