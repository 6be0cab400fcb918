"""All hashes of a request share one slot, and nobody who holds it waits for the database."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import event

from portal.core.db import Database
from portal.core.settings import Settings
from portal.crypto.hashing import folder_for, hash_slots_for
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from tests.reset.journey import ANA, NEW, OLD, code_in, link_in
from tests.visitor import hidden


class Watch:
    """Counts the slots that are taken, and the statements that run while one is held."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = fcntl.flock
        self.taken = 0
        self.while_held: list[str] = []

    def count(self, descriptor: int, operation: int) -> None:
        self.lock(descriptor, operation)
        self.taken += 1

    def note(self, _connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        for path in self.folder.glob("*.lock"):
            descriptor = os.open(path, os.O_RDWR)
            try:
                self.lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.while_held.append(statement)
            finally:
                os.close(descriptor)


@pytest.fixture
def watch(db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    watch = Watch(folder_for(settings.database_url))
    event.listen(db.engine, "before_cursor_execute", watch.note)
    monkeypatch.setattr(fcntl, "flock", watch.count)
    yield watch
    event.remove(db.engine, "before_cursor_execute", watch.note)


def finish(watch: Watch, send: Callable[[], object]) -> None:
    """Send a form whose page was opened before; it must have taken one slot, and asked nothing meanwhile."""
    watch.taken, watch.while_held = 0, []
    assert getattr(send(), "status_code", None) == 303
    assert watch.taken == 1
    assert watch.while_held == []


def test_signing_in_with_a_hash_of_another_cost_hashes_twice_in_one_slot(client, people, watch):
    other = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1).hash(OLD)
    with people.db.write() as session:
        people.store.add(session, people.vault, [NewAccount(Profile(ANA), other)], people.clock.now())
    form = hidden(client.get("/sign-in/").text) | {"email": ANA, "password": OLD}
    finish(watch, lambda: client.post("/sign-in/", data=form))
    assert "$m=64,t=1,p=1$" in people.account(ANA).password_hash


def test_a_new_password_by_a_link_is_compared_and_hashed_in_one_slot(client, ask, ana, watch):
    client.get(link_in(ask(ana)))
    form = hidden(client.get("/reset/choose/").text) | {"password": NEW}
    finish(watch, lambda: client.post("/reset/choose/", data=form))


def test_a_new_password_by_the_current_one_is_checked_and_hashed_in_one_slot(client, ana, watch):
    client.submit("/sign-in/", email=ana, password=OLD)
    page = "/account/password/"
    form = hidden(client.get(page).text) | {"current_password": OLD, "password": NEW}
    finish(watch, lambda: client.post(page, data=form))


def test_codes_are_tried_in_one_slot_after_the_try_is_counted(client, ask, ana, watch):
    ask(ana)
    form = hidden(client.get("/reset/sent/").text) | {"code": code_in(ask(ana))}
    finish(watch, lambda: client.post("/reset/sent/", data=form))


def test_when_every_core_hashes_no_try_at_a_code_is_used_up(client, ask, ana, settings):
    """Otherwise five 503 answers would end a code, without anybody having looked at it."""
    code = code_in(ask(ana))
    form = hidden(client.get("/reset/sent/").text)
    slots = hash_slots_for(settings)
    for typed in ("AAAA-AAAA", "AAAA-AAAB", "AAAA-AAAC"):
        assert client.post("/reset/sent/", data=form | {"code": typed}).status_code == 400
    with ExitStack() as full:
        for _ in range(slots.count):
            full.enter_context(slots.taken())
        for _ in range(2):
            assert client.post("/reset/sent/", data=form | {"code": code}).status_code == 503
    assert client.post("/reset/sent/", data=form | {"code": "AAAA-AAAD"}).status_code == 400
    assert client.post("/reset/sent/", data=form | {"code": code}).status_code == 303


def test_a_code_that_is_used_up_stays_so_when_every_core_hashes(client, ask, ana, settings):
    code = code_in(ask(ana))
    form = hidden(client.get("/reset/sent/").text)
    slots = hash_slots_for(settings)
    for _ in range(5):
        assert client.post("/reset/sent/", data=form | {"code": "AAAA-AAAA"}).status_code == 400
    with ExitStack() as full:
        for _ in range(slots.count):
            full.enter_context(slots.taken())
        assert client.post("/reset/sent/", data=form | {"code": code}).status_code == 503
    assert client.post("/reset/sent/", data=form | {"code": code}).status_code == 400
