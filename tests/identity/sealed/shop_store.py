"""A company's store for tests: a package that registers itself, with a table that other processes see too.

A row of `trouble` breaks or holds up one call, before or after it has done what it does.
"""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from portal.core.addresses import sign_in_name
from portal.identity.ports import (
    Capabilities,
    Entry,
    OutcomeUnknown,
    PasswordRefused,
    StoreFault,
    StoreUnavailable,
    Verdict,
)
from portal.identity.registry import own_settings

ERRORS = {
    "away": StoreUnavailable("away"),
    "fault": StoreFault("the server answered 500"),
    "unknown": OutcomeUnknown("broke off"),
    "refused": PasswordRefused("too simple"),
    "bug": RuntimeError("hunter22"),
}
SCHEMA = """
CREATE TABLE IF NOT EXISTS people (id PRIMARY KEY, address TEXT, password TEXT, factor INT, sessions INT);
CREATE TABLE IF NOT EXISTS trouble (place TEXT PRIMARY KEY, what TEXT);
CREATE TABLE IF NOT EXISTS calls (place TEXT);
"""  # fmt: skip


class ShopStore:
    """Accounts in a file of SQLite."""

    name = "shop"
    settings = ("FILE", "CANNOT")

    def __init__(self, file: Path, cannot: str = "") -> None:
        self._file = file
        self.capabilities = capabilities(cannot)
        with self._open() as connection:
            connection.executescript(SCHEMA)

    @classmethod
    def declared(cls, settings):
        return capabilities(dict(settings.identity.own).get("PORTAL_IDENTITY_SHOP_CANNOT", ""))

    @classmethod
    def from_settings(cls, settings):
        given = own_settings(settings, cls.settings)
        return cls(Path(given["FILE"]), given.get("CANNOT", ""))

    def find(self, addresses):
        wanted = {sign_in_name(address) for address in addresses}
        with self._at("find"), self._open() as connection:
            rows = connection.execute("SELECT id, address FROM people").fetchall()
        return [Entry(*row) for row in rows if sign_in_name(row[1]) in wanted]

    def find_by_reference(self, references):
        return []

    def get(self, ids):
        with self._at("get"), self._open() as connection:
            rows = connection.execute("SELECT id, address FROM people").fetchall()
        return [Entry(*row) for row in rows if row[0] in ids]

    def page(self, after, limit):
        return []

    def verify(self, account_id, plain, seed=b""):
        with self._at("verify"), self._open() as connection:
            row = connection.execute(
                "SELECT password, factor FROM people WHERE id = ?", (account_id,)
            ).fetchone()
        if row is None or row[0] != plain:
            return Verdict.WRONG
        return Verdict.NEEDS_FACTOR if row[1] else Verdict.FITS

    def was_closed(self, account_id, plain, closed):
        with self._at("was_closed"):
            return json.loads(closed) == plain

    def set_password(self, account_id, plain):
        with self._at("set_password"):
            self.run("UPDATE people SET password = ? WHERE id = ?", plain, account_id)

    def require_change(self, account_ids, keep):
        keep({each: json.dumps(self.password(each)).encode() for each in account_ids})
        for each in account_ids:
            self.run("UPDATE people SET password = '!' WHERE id = ?", each)
        return len(account_ids)

    def end_sessions(self, account_ids):
        with self._at("end_sessions"):
            for each in account_ids:
                self.run("UPDATE people SET sessions = 0 WHERE id = ?", each)

    # What the company and the tests do.

    def add(self, address, password, *, factor=False, store_id=None):
        store_id = store_id or f"no-{address}"
        self.run("INSERT INTO people VALUES (?, ?, ?, ?, 1)", store_id, address, password, int(factor))
        return store_id

    def password(self, store_id):
        (found,) = self.ask("SELECT password FROM people WHERE id = ?", store_id)
        return found

    def sessions(self, store_id):
        (found,) = self.ask("SELECT sessions FROM people WHERE id = ?", store_id)
        return found

    def trouble(self, place, what):
        self.run("INSERT OR REPLACE INTO trouble VALUES (?, ?)", place, what)

    def no_trouble(self):
        self.run("DELETE FROM trouble")

    def calls(self, place):
        return len(self.ask("SELECT place FROM calls WHERE place = ?", place))

    def wait_for(self, place):
        """Wait until a call is held up there."""
        end = time.monotonic() + 30
        while not self.calls(place):
            assert time.monotonic() < end, f"nobody came to {place}"
            time.sleep(0.02)

    def run(self, statement, *values):
        with self._open() as connection:
            connection.execute(statement, values)

    def ask(self, statement, *values):
        with self._open() as connection:
            return [row[0] for row in connection.execute(statement, values)]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._file, timeout=15)) as connection, connection:
            yield connection

    @contextmanager
    def _at(self, call):
        self._meet(f"before {call}")
        yield
        self._meet(f"after {call}")

    def _meet(self, place):
        self.run("INSERT INTO calls VALUES (?)", place)
        while trouble := self.ask("SELECT what FROM trouble WHERE place = ?", place):
            if trouble[0] != "hold":
                raise ERRORS[trouble[0]]
            time.sleep(0.02)


def capabilities(cannot):
    can = dict.fromkeys(Capabilities.__dataclass_fields__, True)
    return Capabilities(**can | dict.fromkeys(["change_ends_sessions", *cannot.split()], False))
