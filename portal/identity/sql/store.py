"""The company's own table as a store: both ports, through SQLAlchemy Core.

Nothing is held between two calls, and the schema is never altered.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, ClassVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    bindparam,
    delete,
    false,
    func,
    not_,
    null,
    select,
    true,
    update,
)

from portal.core.addresses import sign_in_name
from portal.core.settings import Settings
from portal.core.settings.sql import SqlIdentity
from portal.crypto.hashing import Hasher, hash_slots_for
from portal.identity.ports import (
    Capabilities,
    Entry,
    KeepClosed,
    OutcomeUnknown,
    StoreFault,
    StoreUnavailable,
    Verdict,
)
from portal.identity.sql import mapping
from portal.identity.sql.mapping import Mapped, text_of
from portal.identity.sql.passwords import Passwords, is_open
from portal.identity.sql.server import SECONDS, Server, Vanished

log = logging.getLogger("portal.identity")

MOST_KEPT = 1000  # bytes of a closed hash; longer ones are none that anybody verifies
# How many hashes tell what verifying one costs, and how long that holds.
SAMPLE, LEARN_SECONDS = 250, 600
COUNTED = 2000  # rows of a page, where all are counted
ROUNDS = 3  # how often accounts are closed whose owners just changed their passwords


class SqlStore:
    """Both ports on one table. Safe for the worker's threads."""

    name: str = "sql"
    settings: ClassVar[tuple[str, ...]] = ()
    secrets: ClassVar[tuple[str, ...]] = ("URL",)

    def __init__(self, settings: SqlIdentity, hasher: Hasher, *, seconds: float = SECONDS) -> None:
        """Take the mapping, without connecting yet; a call ends within `seconds`, hashing aside."""
        self._settings = settings
        self._server = Server(settings.url, seconds)
        self._passwords = Passwords(settings, hasher)
        self._mapped: Mapped | None = None
        self._learnt_at: float | None = None
        self.capabilities = _capabilities(settings)

    @classmethod
    def declared(cls, settings: Settings) -> Capabilities:
        """Return what the store can do by its settings, without the URL."""
        return _capabilities(settings.identity.sql)

    @classmethod
    def from_settings(cls, settings: Settings) -> "SqlStore":
        """Return the store of these settings. It does not connect."""
        hasher = Hasher(settings.identity.argon2, hash_slots_for(settings))
        return cls(settings.identity.sql, hasher)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._server.close()

    def columns(self) -> Mapped:
        """Read the table's columns. Raises StoreFault, which names one that is missing."""
        with self._server.read() as connection:
            self._mapped = mapping.read(connection, self._settings)
            return self._mapped

    def find(self, addresses: Sequence[str]) -> list[Entry]:
        """Return the accounts that sign in with these addresses, ignoring ASCII case."""
        names = sorted({sign_in_name(each) for each in addresses})
        with self._reading() as (connection, at):
            return _entries(connection, at, func.lower(at.email).in_(mapping.written(connection, names)))

    def find_by_reference(self, references: Sequence[str]) -> list[Entry]:
        """Return the accounts with these customer numbers. Raises StoreFault where none are mapped."""
        with self._reading() as (connection, at):
            if at.reference is None:
                raise StoreFault("PORTAL_IDENTITY_SQL_REFERENCE names no column")
            numbers = mapping.values(at.reference, mapping.written(connection, references))
            return _entries(connection, at, at.reference.in_(numbers))

    def get(self, ids: Sequence[str]) -> list[Entry]:
        """Return the accounts with these ids; those that are gone are missing."""
        with self._reading() as (connection, at):
            given = mapping.values(at.id, mapping.written(connection, ids))
            return _entries(connection, at, at.id.in_(given))

    def page(self, after: str | None, limit: int) -> list[Entry]:
        """Return up to `limit` accounts after an id, in the order of the column."""
        with self._reading() as (connection, at):
            if after is None:
                return _entries(connection, at, at.id.is_not(None), limit=limit)
            return _entries(connection, at, at.id > mapping.value(at.id, after), limit=limit)

    def verify(self, account_id: str | None, plain: str, seed: bytes = b"") -> Verdict:
        """Return whether a typed password signs in; upgrade the hash where the company allows that."""
        with self._reading() as (connection, at):
            self._learn(connection, at)
            row = _row(connection, at, account_id)
        encoded = text_of(row.hash) if row is not None and row.counts else ""
        if not self._passwords.fits(encoded, plain, seed) or row is None:
            return Verdict.WRONG
        if row.factor:
            return Verdict.NEEDS_FACTOR
        if self._settings.upgrade and self._passwords.outdated(encoded):
            self._upgrade(row.id, encoded, plain)
        return Verdict.FITS

    def was_closed(self, account_id: str, plain: str, closed: bytes) -> bool:  # noqa: ARG002 - the port's
        """Return whether a password matches the hash that was closed."""
        return self._passwords.fits(closed.decode(errors="replace"), plain)

    def set_password(self, account_id: str, plain: str) -> None:
        """Store a new password's hash where the old one still is, and end the account's sessions."""
        encoded = self._passwords.make(plain)
        with self._writing() as (connection, at):
            row = _row(connection, at, account_id)
            if row is None:
                raise StoreFault("the account is no longer in the company's table")
            if _replace(connection, at, {row.id: row.hash}, encoded) != 1:
                raise StoreUnavailable("the account changed meanwhile, and was left as it is")

    def require_change(self, account_ids: Sequence[str], keep: KeepClosed) -> int:
        """Replace the hashes of these accounts by one that no password matches; return how many were open.

        An account whose password was changed between reading and replacing is closed in a further round.
        """
        closing, closed = self._passwords.closed(), 0
        for _ in range(ROUNDS):
            try:
                with self._reading() as (connection, at):
                    found = select(at.id, at.hash).where(at.id.in_(mapping.values(at.id, account_ids)))
                    hashes = {key: text_of(encoded) for key, encoded in connection.execute(found)}
                open_ = {key: encoded for key, encoded in hashes.items() if is_open(encoded)}
                if not open_:
                    return closed
                kept = {text_of(key): encoded.encode() for key, encoded in open_.items()}
                keep({key: encoded for key, encoded in kept.items() if len(encoded) <= MOST_KEPT})
                with self._writing() as (connection, at):
                    changed = _replace(connection, at, open_, closing)
                closed += changed
            except (StoreUnavailable, StoreFault) as error:
                if closed:
                    raise OutcomeUnknown("some accounts were closed, others not") from error
                raise
        raise OutcomeUnknown("some accounts changed while they were closed")

    def end_sessions(self, account_ids: Sequence[str]) -> None:
        """Change the version of these accounts, and delete their sessions."""
        with self._writing() as (connection, at):
            ids = mapping.values(at.id, account_ids)
            if at.version is not None and ids:
                connection.execute(
                    update(at.accounts).where(at.id == bindparam("key")).values(_new_version(at)),
                    [{"key": key} | _mark(at) for key in ids],
                )
            _delete_sessions(connection, at, ids)

    def count_hashes(self) -> Counter[tuple[str, bool]]:
        """Count the hashes of all accounts by what they are, and whether they can be verified."""
        counts: Counter[tuple[str, bool]] = Counter()
        last: Any = None
        while True:
            with self._reading() as (connection, at):
                query = select(at.id, at.hash).order_by(at.id).limit(COUNTED)
                rows = connection.execute(query if last is None else query.where(at.id > last)).all()
            if not rows:
                return counts
            counts += self._passwords.count(text_of(encoded) for _, encoded in rows)
            last = rows[-1][0]

    def count_inactive(self) -> int:
        """Count the accounts that do not count: they are not found, and their hashes are among the others."""
        with self._reading() as (connection, at):
            if at.active is None:
                return 0
            query = select(func.count()).select_from(at.accounts).where(not_(at.active))
            return connection.scalar(query) or 0

    def _learn(self, connection: Connection, at: Mapped) -> None:
        """Look at some hashes now and then, of old accounts and of new ones."""
        if self._learnt_at is None or monotonic() - self._learnt_at > LEARN_SECONDS:
            self._learnt_at = monotonic()
            query = select(at.hash).where(at.hash.is_not(None)).limit(SAMPLE)
            self._passwords.learn(
                text_of(encoded)
                for order in (at.id, at.id.desc())
                for encoded in connection.scalars(query.order_by(order))
            )

    def _upgrade(self, key: Any, encoded: str, plain: str) -> None:
        """Replace an unchanged password's hash; a failure changes nothing for the person."""
        try:
            newer = self._passwords.make(plain)
            with self._writing() as (connection, at):
                _replace(connection, at, {key: encoded}, newer, end_sessions=False)
        except (StoreUnavailable, StoreFault, OutcomeUnknown) as error:
            log.warning("identity: a hash in the company's table was not upgraded: %s", error)

    @contextmanager
    def _reading(self) -> Iterator[tuple[Connection, Mapped]]:
        with self._naming_what_vanished(), self._server.read() as connection:
            yield connection, self._at(connection)

    @contextmanager
    def _writing(self) -> Iterator[tuple[Connection, Mapped]]:
        with self._naming_what_vanished(), self._server.write() as connection:
            yield connection, self._at(connection)

    @contextmanager
    def _naming_what_vanished(self) -> Iterator[None]:
        try:
            yield
        except Vanished as vanished:
            self._mapped = None
            self.columns()
            raise StoreFault("the company's table changed while it was used") from vanished

    def _at(self, connection: Connection) -> Mapped:
        if self._mapped is None:
            self._mapped = mapping.read(connection, self._settings)
        return self._mapped


def _capabilities(settings: SqlIdentity) -> Capabilities:
    ends = bool(settings.version or settings.sessions_table)
    return Capabilities(
        verify=True,
        set_password=True,
        require_change=True,
        end_sessions=ends,
        remembers_closed=True,
        find_by_reference=bool(settings.reference),
        change_ends_sessions=ends or settings.change_ends_sessions,
    )


def _entries(
    connection: Connection, at: Mapped, condition: ColumnElement[bool], *, limit: int | None = None
) -> list[Entry]:
    """Return the accounts that count, and have an address."""
    optional = [null() if each is None else each for each in (at.name, at.locale, at.reference)]
    query = select(at.id, at.email, *optional).where(condition, at.email.is_not(None), at.email != "")
    if at.active is not None:
        query = query.where(at.active)
    rows = connection.execute(query.order_by(at.id).limit(limit))
    return [
        Entry(text_of(key), text_of(email), text_of(name), text_of(locale), mapping.references(reference))
        for key, email, name, locale, reference in rows
    ]


def _row(connection: Connection, at: Mapped, account_id: str | None) -> Row[Any] | None:
    """Return the hash of an account, whether it counts, and whether it has a second factor."""
    key = None if account_id is None else mapping.value(at.id, account_id)
    counts = true() if at.active is None else at.active
    factor = false() if at.factor is None else mapping.is_set(at.factor)
    query = select(
        at.id.label("id"), at.hash.label("hash"), counts.label("counts"), factor.label("factor")
    ).where(at.id == key)
    return connection.execute(query).first()


def _replace(
    connection: Connection,
    at: Mapped,
    hashes: Mapping[Any, str | None],
    encoded: str,
    *,
    end_sessions: bool = True,
) -> int:
    """Replace hashes by a new one, each where it is still the same; return how many were."""
    if at.longest_hash is not None and len(encoded) > at.longest_hash:
        raise StoreFault(
            f"the column '{at.hash.key}' takes {at.longest_hash} characters, and a hash in the format of "
            f"PORTAL_IDENTITY_SQL_FORMAT has {len(encoded)}"
        )
    statement = (
        update(at.accounts)
        .where(at.id == bindparam("key"), at.hash.is_not_distinct_from(bindparam("old")))
        .values({at.hash: encoded} | (_new_version(at) if end_sessions else {}))
    )
    rows = [{"key": key, "old": old} | (_mark(at) if end_sessions else {}) for key, old in hashes.items()]
    changed = connection.execute(statement, rows).rowcount
    if end_sessions:
        _delete_sessions(connection, at, list(hashes))
    return changed


def _new_version(at: Mapped) -> dict[Any, Any]:
    """Return what changes the column that ends sessions: a number grows, a text is drawn for each account."""
    if at.version is None:
        return {}
    if isinstance(at.version.type, Integer):
        return {at.version: func.coalesce(at.version, 0) + 1}
    return {at.version: bindparam("mark")}


def _mark(at: Mapped) -> dict[str, Any]:
    if at.version is None or isinstance(at.version.type, Integer):
        return {}
    return {"mark": mapping.mark(at.version)}


def _delete_sessions(connection: Connection, at: Mapped, keys: Sequence[Any]) -> None:
    if at.sessions is not None and at.sessions_user is not None:
        users = [mapping.converted(at.sessions_user, text_of(key)) for key in keys]
        users = [user for user in users if user is not None]
        connection.execute(delete(at.sessions).where(at.sessions_user.in_(users)))
