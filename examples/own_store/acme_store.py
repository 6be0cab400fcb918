"""A store of your own, to copy: accounts in an SQLite file, with scrypt hashes from the standard library.

The table is `accounts (id INTEGER PRIMARY KEY, address TEXT, name TEXT, hash TEXT)`. An empty hash signs
nobody in.
"""

import hashlib
import hmac
import os
import sqlite3
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import ClassVar, Self

from portal.core.settings import Settings
from portal.identity.ports import (
    Capabilities,
    Entry,
    KeepClosed,
    OutcomeUnknown,
    StoreFault,
    StoreUnavailable,
    Verdict,
)
from portal.identity.registry import own_settings

SECONDS = 4  # for one call: a person's sign-in has ten in all
CAN = Capabilities(
    verify=True,
    set_password=True,
    require_change=True,
    end_sessions=False,  # so the pages tell people to sign out of the product themselves
    remembers_closed=True,
    find_by_reference=False,
)


class AcmeStore:
    """PORTAL_IDENTITY_ACME_FILE names the file; …_COST and …_PEPPER are optional. Thread-safe."""

    name: ClassVar[str] = "acme"
    settings: ClassVar[tuple[str, ...]] = ("FILE", "COST", "PEPPER")
    secrets: ClassVar[tuple[str, ...]] = ("PEPPER",)  # those that the web server must not read

    def __init__(self, file: str, cost: int, pepper: str = "") -> None:
        """Keep the settings; connect later."""
        self.capabilities = CAN
        self._file, self._cost, self._pepper = file, cost, pepper.encode()
        self._nobody = self._hash("nobody's")

    @classmethod
    def declared(cls, settings: Settings) -> Capabilities:  # noqa: ARG003 - it can always do the same
        """Return what the store can do. The web server asks too: read no setting here."""
        return CAN

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the store. Raises StoreFault for a wrong setting, and does not connect."""
        given = own_settings(settings, cls.settings)
        cost = given.get("COST", "32768")
        if "FILE" not in given:
            raise StoreFault("PORTAL_IDENTITY_ACME_FILE: is required: the SQLite file of the accounts")
        if not cost.isdecimal() or int(cost) < 2 or int(cost) & (int(cost) - 1):
            raise StoreFault("PORTAL_IDENTITY_ACME_COST: must be a power of two, like 32768")
        return cls(given["FILE"], int(cost), given.get("PEPPER", ""))

    def find(self, addresses: Sequence[str]) -> list[Entry]:
        """Return the accounts with these addresses, ignoring ASCII case."""
        return self._entries("address COLLATE NOCASE", addresses)

    def find_by_reference(self, references: Sequence[str]) -> list[Entry]:  # noqa: ARG002
        """Return nobody: the table has no customer numbers."""
        return []

    def get(self, ids: Sequence[str]) -> list[Entry]:
        """Return the accounts with these ids."""
        return self._entries("CAST(id AS TEXT)", ids)

    def page(self, after: str | None, limit: int) -> list[Entry]:
        """Return up to `limit` accounts after an id."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT id, address, name FROM accounts WHERE id > ? ORDER BY id LIMIT ?",
                (int(after or 0), limit),
            )
            return [Entry(str(number), address, name) for number, address, name in rows]

    def verify(self, account_id: str | None, plain: str, seed: bytes = b"") -> Verdict:  # noqa: ARG002
        """Return whether a password fits; without an account it takes as long: all hashes cost the same."""
        stored = self._hashes([account_id or ""]).get(account_id or "", "")
        fits = self._fits(plain, stored or self._nobody)
        return Verdict.FITS if stored and fits else Verdict.WRONG

    def was_closed(self, account_id: str, plain: str, closed: bytes) -> bool:  # noqa: ARG002
        """Return whether a password is the one whose hash was kept."""
        return self._fits(plain, closed.decode())

    def set_password(self, account_id: str, plain: str) -> None:
        """Store a new password."""
        with self._writing() as database:
            database.execute(
                "UPDATE accounts SET hash = ? WHERE CAST(id AS TEXT) = ?", (self._hash(plain), account_id)
            )

    def require_change(self, account_ids: Sequence[str], keep: KeepClosed) -> int:
        """Empty the hashes of these accounts, after the portal has kept them; return how many there were."""
        open_now = {account: stored for account, stored in self._hashes(account_ids).items() if stored}
        if open_now:
            keep({account: stored.encode() for account, stored in open_now.items()})
        with self._writing() as database:
            # A password that was chosen in between stays.
            closed = [
                database.execute(
                    "UPDATE accounts SET hash = '' WHERE CAST(id AS TEXT) = ? AND hash = ?", pair
                ).rowcount
                for pair in open_now.items()
            ]
        return sum(closed)

    def end_sessions(self, account_ids: Sequence[str]) -> None:
        """Do nothing: `CAN` says that the product's sessions cannot be ended."""

    def _entries(self, column: str, values: Sequence[str]) -> list[Entry]:
        marks = ", ".join("?" * len(values))
        with self._reading() as database:
            query = f"SELECT id, address, name FROM accounts WHERE {column} IN ({marks})"  # noqa: S608 - marks
            return [Entry(str(number), *rest) for number, *rest in database.execute(query, values)]

    def _hashes(self, account_ids: Sequence[str]) -> dict[str, str]:
        marks = ", ".join("?" * len(account_ids))
        with self._reading() as database:
            query = f"SELECT CAST(id AS TEXT), hash FROM accounts WHERE CAST(id AS TEXT) IN ({marks})"  # noqa: S608
            return dict(database.execute(query, account_ids).fetchall())

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            url = f"file:{self._file}?mode=rw"
            with closing(sqlite3.connect(url, uri=True, timeout=SECONDS)) as database:
                yield database
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(f"the accounts cannot be read: {error}") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as database:
            database.execute("BEGIN IMMEDIATE")
            yield database
            try:
                database.commit()
            except sqlite3.Error as error:
                raise OutcomeUnknown("the accounts may not have been written") from error

    def _hash(self, plain: str) -> str:
        salt = os.urandom(16)
        return f"{self._cost}${salt.hex()}${self._derived(plain, salt, self._cost)}"

    def _fits(self, plain: str, stored: str) -> bool:
        cost, salt, derived = stored.split("$")
        return hmac.compare_digest(self._derived(plain, bytes.fromhex(salt), int(cost)), derived)

    def _derived(self, plain: str, salt: bytes, cost: int) -> str:
        password = unicodedata.normalize("NFC", plain).encode("utf-8", "surrogatepass")
        if self._pepper:
            password = hmac.digest(self._pepper, password, "sha256")
        return hashlib.scrypt(password, salt=salt, n=cost, r=8, p=1, maxmem=2048 * cost + 2**20).hex()
