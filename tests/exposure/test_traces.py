"""Affected, not affected or unknown: the same responses, the same statements, the same rows of the same lengths."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event, inspect, text

from portal.intake import jobs as intake
from portal.kit.db import Database
from portal.worker import drain
from tests.exposure.conftest import Lists
from tests.visitor import hidden

AFFECTED = "ann@northwind.example"
LISTED_ELSEWHERE = "bob@northwind.example"
UNKNOWN = "eve@northwind.example"
EVERYONE = (AFFECTED, LISTED_ELSEWHERE, UNKNOWN)


@pytest.fixture
def two_incidents(lists: Lists) -> Lists:
    lists.live(f"{AFFECTED},7,Ann,en,ES,Passwords;Dates of birth\nx@northwind.example,1,,,,\n")
    lists.incident("second")
    rows = "".join(f"{AFFECTED},{i},{'Ann' * i},en,,Passwords\n" for i in range(20))
    lists.live(f"{rows}{LISTED_ELSEWHERE},8,Bob,en,,Phone numbers\n", "second")
    return lists


@contextmanager
def statements(db: Database) -> Iterator[list[str]]:
    seen: list[str] = []

    def see(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", see)


def lengths(db: Database) -> dict[str, Counter[tuple[int, ...]]]:
    """For each table, how many rows there are of each sequence of column lengths."""
    found = {}
    with db.engine.connect() as connection:
        for table in inspect(connection).get_table_names():
            rows = connection.execute(text(f'SELECT * FROM "{table}"'))
            found[table] = Counter(
                tuple(len(bytes(v)) if isinstance(v, bytes | memoryview) else len(str(v)) for v in row) for row in rows
            )
    return found


def stable(response) -> tuple[int, list[tuple[str, str]], str]:
    """A response without its nonces: the tokens against forgery and the signed cookie's value."""
    body = re.sub(r'(name="csrf_token"[^>]*value=")[^"]*', r"\1", response.text)
    headers = [(name, re.sub(r"session=[^;]*", "session=", value)) for name, value in response.headers]
    cookie = next((len(v.partition(";")[0]) for name, v in response.headers if name == "Set-Cookie"), 0)
    return response.status_code, [*headers, ("cookie length", str(cookie // 8))], body


def test_the_pages_answer_byte_by_byte_the_same(two_incidents, app):
    seen = []
    for address in EVERYONE:
        browser = app.test_client()
        form = hidden(browser.get("/check/").text)
        sent = browser.post("/check/", data=form | {"email": address})
        seen.append((stable(sent), stable(browser.get("/check/sent/"))))
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0][0] == 303


def test_the_web_process_sends_the_same_statements_and_writes_rows_of_one_length(two_incidents, app):
    sent, rows = [], []
    for address in EVERYONE:
        browser = app.test_client()
        form = hidden(browser.get("/check/").text)
        before = lengths(two_incidents.db)
        with statements(two_incidents.db) as seen:
            browser.post("/check/", data=form | {"email": address})
        sent.append(seen)
        after = lengths(two_incidents.db)
        rows.append({table: after[table] - before[table] for table in after if table != "rate_buckets"})
    assert sent[0] == sent[1] == sent[2]
    assert rows[0] == rows[1] == rows[2]
    assert sum(rows[0]["intake_requests"].values()) == 1


def test_the_worker_does_the_same_for_everyone_and_leaves_the_same_rows(two_incidents, client, worker_parts):
    asked, left = [], []
    for address in EVERYONE:
        client.submit("/check/", email=address)
        before = lengths(two_incidents.db)
        with statements(two_incidents.db) as seen:
            intake.answer(worker_parts)
        drain(worker_parts)
        asked.append(seen)
        after = lengths(two_incidents.db)
        left.append({table: (after[table] - before[table], before[table] - after[table]) for table in after})
    assert asked[0] == asked[1] == asked[2]
    assert left[0] == left[1] == left[2]
    assert sum(left[0]["intake_replies"][0].values()) == 1
    assert sum(left[0]["outbox_mails"][0].values()) == 1


def test_the_trap_of_this_test_closes(two_incidents, client, worker_parts):
    client.submit("/check/", email="not-ascii-ö@northwind.example")
    before = lengths(two_incidents.db)
    intake.answer(worker_parts)
    assert lengths(two_incidents.db)["outbox_mails"] == before["outbox_mails"]
