"""Who asks for a link learns nothing, and leaves the same traces, whether there is an account or not."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from sqlalchemy import Engine, event

from portal.intake import jobs as intake
from portal.worker import drain
from tests.reset.journey import ANA, contents, lengths
from tests.visitor import hidden

ADDRESSES = {"known": ANA, "unknown": "stranger-without-an-account@a-much-longer-domain-than-that.example"}
NONCES = re.compile(rb'(name="csrf_token"[^>]*value=)"[^"]+"')


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(connection, cursor, statement, parameters, context, many):
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def walk(app: Flask, address: str) -> list[tuple]:
    """Everything that a browser gets on the way, nonces taken out."""
    browser = app.test_client()
    form = hidden(browser.get("/reset/").text)
    pages = [
        browser.post("/reset/", data=form | {"email": address}),
        browser.get("/reset/sent/"),
    ]
    pages.append(browser.post("/reset/sent/", data=hidden(pages[1].text) | {"code": "AAAA-AAAA"}))
    headers = [sorted((name, value) for name, value in page.headers if name != "Set-Cookie") for page in pages]
    cookies = [[kept(app, cookie) for cookie in page.headers.getlist("Set-Cookie")] for page in pages]
    bodies = [NONCES.sub(rb"\1", page.data) for page in pages]
    return list(zip([page.status for page in pages], headers, cookies, bodies, strict=True))


def kept(app: Flask, cookie: str) -> tuple[str, object]:
    """A cookie's name, attributes and the shape of what it holds: its nonces have one length."""
    pair, _, attributes = cookie.partition(";")
    name, _, value = pair.partition("=")
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    return f"{name};{attributes}", {key: len(str(held)) for key, held in serializer.loads(value).items()}


@pytest.fixture
def known(ana: str) -> None:
    """Only one of the addresses has an account."""


def test_the_browser_gets_the_same_bytes(app, known):
    walks = {who: walk(app, address) for who, address in ADDRESSES.items()}
    assert walks["known"] == walks["unknown"]


def test_the_web_process_runs_the_same_statements(app, known, db):
    seen = {}
    for who, address in ADDRESSES.items():
        with statements(db.engine) as seen[who]:
            walk(app, address)
    assert seen["known"] == seen["unknown"]
    assert len(seen["known"]) >= 3


def test_the_worker_runs_the_same_statements(client, known, db, worker_parts):
    seen = {}
    for who, address in ADDRESSES.items():
        client.submit("/reset/", email=address)
        with statements(db.engine) as seen[who]:
            intake.answer(worker_parts)
    assert seen["known"] == seen["unknown"]


def test_the_same_rows_of_the_same_lengths_are_left(client, known, db, worker_parts):
    added = {}
    client.submit("/reset/", email="first.of.this.network@elsewhere.example")
    drain(worker_parts)
    for who, address in ADDRESSES.items():
        before = lengths(db)
        client.submit("/reset/", email=address)
        asked = lengths(db)
        drain(worker_parts)
        added[who] = [_new(before, asked), _new(before, lengths(db))]
    assert added["known"] == added["unknown"]
    assert set(added["known"][1]) >= {"intake_replies", "outbox_mails", "intake_caps"}


def test_no_row_names_the_outcome(client, known, db, worker_parts):
    for address in ADDRESSES.values():
        client.submit("/reset/", email=address)
        drain(worker_parts)
    rows = contents(db)
    shown = {tuple(value for value in row if isinstance(value, str))[:2] for row in rows["outbox_mails"]}
    assert shown == {("reset", "sent")}
    stored = repr(rows)
    for address in ADDRESSES.values():
        assert address not in stored


def test_the_same_cap_stands_for_both(client, known, worker_parts, smtp):
    for _ in range(5):
        for address in ADDRESSES.values():
            client.submit("/reset/", email=address)
            drain(worker_parts)
    assert [len(smtp.to(address)) for address in ADDRESSES.values()] == [3, 3]


def _new(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, list[str]]:
    added = {}
    for table, rows in after.items():
        left = list(before.get(table, []))
        fresh = []
        for row in rows:
            if row in left:
                left.remove(row)
            else:
                fresh.append(row)
        if fresh:
            added[table] = fresh
    return added
