"""What an observer sees without a key: responses without nonces, statements, and lengths of rows."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, inspect, text
from werkzeug.test import TestResponse

from portal.core.db import Database

Lengths = dict[str, Counter[tuple[int | None, ...]]]
_LOOK = re.compile(r"SELECT count\(\*\) AS \w+, max\(site_changes\.number\) AS \w+ \s*FROM site_changes")
_TOKEN = re.compile(rb'(name="csrf_token"[^>]*value=")([^"]+)"')
_CHALLENGE = re.compile(rb"(challenge&#34;: &#34;)([^&]+)&#34;")  # of a passkey, in an attribute
_SESSION = re.compile(r"(session=)([^;]+)")


def response(shown: TestResponse) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers in order, and body; what is drawn anew each time is reduced to its length."""
    headers = [
        (name, _SESSION.sub(lambda found: f"{found[1]}{len(found[2])}", value))
        for name, value in shown.headers
    ]
    body = shown.data
    for drawn in (_TOKEN, _CHALLENGE):
        body = drawn.sub(lambda found: found[1] + b"%d" % len(found[2]), body)
    return shown.status_code, headers, body


@contextmanager
def statements(db: Database) -> Iterator[list[str]]:
    """The SQL that runs meanwhile, without its values.

    Each process looks for saved settings once a second whatever is asked, in tests at each request: left out.
    """
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if _LOOK.fullmatch(statement):
            if seen[-1:] == ["BEGIN"]:  # SQLite's
                seen.pop()
            return
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def plans(db: Database, look: Callable[[], object]) -> list[str]:
    """How the database finds what `look` asks for: the plan of each SELECT."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, values: Any, *_rest: object) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            asked.append((statement, values))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        look()
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN" if db.is_sqlite else "EXPLAIN"
    with db.engine.connect() as connection:
        shown = [connection.exec_driver_sql(f"{explain} {statement}", values) for statement, values in asked]
        return ["\n".join(str(row[-1]) for row in rows) for rows in shown]


def contents(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with db.engine.connect() as connection:
        return {
            table: sorted(
                (tuple(row) for row in connection.execute(text(f'SELECT * FROM "{table}"'))), key=repr
            )
            for table in inspect(connection).get_table_names()
        }


def lengths(db: Database) -> Lengths:
    """For each table, how many rows there are of each sequence of lengths."""
    return {table: Counter(tuple(map(_length, row)) for row in rows) for table, rows in contents(db).items()}


def change(before: Lengths, after: Lengths) -> dict[str, tuple[Counter[Any], Counter[Any]]]:
    """The rows that came and those that went, for each table where there are any."""
    both = {table: (rows - before[table], before[table] - rows) for table, rows in after.items()}
    return {table: (came, went) for table, (came, went) in both.items() if came or went}


def _length(value: Any) -> int | None:
    if value is None:
        return None
    return len(bytes(value)) if isinstance(value, bytes | memoryview) else len(str(value))
