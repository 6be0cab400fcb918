"""Ana, who has everything that a person can have here, and shares her address with somebody on the list."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from portal.accounts.activity import service as activity
from portal.accounts.activity.service import Kind
from portal.accounts.factors.lost import service as lost
from portal.core.db import Base
from portal.identity import unchecked
from portal.rotation import service as rotation
from portal.subscriptions import service as subscriptions
from portal.subscriptions.service import Contact
from portal.worker import drain
from tests.accounts.known import recognise
from tests.accounts.passkeys import pages
from tests.authenticator import App
from tests.commands import context, portal
from tests.exposure.conftest import check, lists
from tests.reset.journey import ANA, BEN, OLD, people
from tests.visitor import leads_to

__all__ = ["check", "context", "lists", "people", "portal"]
COPY, ERASE = "/account/data/open/", "/account/erase/"
ROWS = f"{ANA},K-1,Ana Ruiz,es,,Names;Passwords\n{ANA},K-2,Berta Sanz,,,Physical addresses\n{BEN},,,,,Names\n"


def mailed(smtp, path: str, to: str = ANA) -> str:
    """The newest link of this kind in the mails to an address."""
    found = [re.findall(rf"http://localhost:8000({path}[a-z2-7]{{32}}/)", mail.text) for mail in smtp.to(to)]
    return str([links[0] for links in found if links][-1])


def holding(db, value: bytes) -> set[str]:
    """The columns of all tables that hold these bytes somewhere."""
    found = set()
    with db.read() as session:
        for table in Base.metadata.tables.values():
            for column in table.columns:
                for stored in session.scalars(select(column)):
                    raw = stored.encode() if isinstance(stored, str) else stored
                    if isinstance(raw, bytes | bytearray | memoryview) and value in bytes(raw):
                        found.add(f"{table.name}.{column.name}")
    return found


@dataclass
class Person:
    """Somebody with an account, signed in."""

    id: bytes
    visitor: Any
    recovery: list[str]


@pytest.fixture
def sign_in(client) -> Callable[..., Any]:
    def submit(address: str = ANA, password: str = OLD, visitor: Any = client) -> Any:
        return visitor.submit("/sign-in/", email=address, password=password)

    return submit


@pytest.fixture
def ana(people, sign_in, client, web_vault) -> Person:
    """Ana, signed in, who has an account and nothing else."""
    account = people.add(ANA, name="Ana Ruiz", ref="K-1", locale="es")
    recognise(client, web_vault, people.account(ANA))
    assert leads_to(sign_in()) == "/account/"
    return Person(account, client, [])


@pytest.fixture
def everything(
    db, ana, people, lists, clock, web_vault, worker_vault, worker_parts, client, sign_in
) -> Person:
    """Ana with everything; Ben has an account too, and Berta is on the list with Ana's address."""
    people.add(BEN, name="Ben Ode", ref="K-3")
    lists.live(ROWS)
    _, added = pages.add(client, "Blue phone")
    assert added.status_code in (200, 303)
    app = App(clock)
    account = people.account(ANA)
    recovery = app.protect(db, web_vault, account)
    client.submit("/sign-out/")
    second = sign_in()
    assert leads_to(client.submit(second.location, code=app.code())) == "/account/"
    client.submit("/check/", email=ANA)
    client.submit("/reset/", email=ANA)
    drain(worker_parts)
    now = clock.now()
    with db.write() as session:
        activity.record(session, web_vault, ana.id, Kind.CHANGED_PASSWORD, now, device="Firefox/Android")
        rotation.choose(session, ana.id, "6", now)
        contact = Contact(ANA, "es")
        subscriptions.confirm(session, worker_vault, lists.id_of("november"), contact)
        subscriptions.confirm(session, worker_vault, lists.id_of("november"), Contact(BEN, "en"))
        unchecked.note(session, ana.id, 1)
        lost.begin(session, people.account(ANA), now)
    ana.recovery = recovery
    return ana
