"""Find the mapped columns in the company's table, and turn values into those of an entry and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Numeric,
    String,
    TableClause,
    Uuid,
    and_,
    column,
    inspect,
    not_,
    table,
)
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.types import Boolean, LargeBinary, TypeEngine

from portal.core.settings.sql import SqlIdentity
from portal.identity.ports import StoreFault

SHORTEST_MARK = 16  # characters of a text that is changed to end sessions
LONGEST_MARK = 60
MOST = 2**63
_NOT = "not "


@dataclass(frozen=True)
class Mapped:
    """The company's tables as they are now: every mapped column is there."""

    accounts: TableClause
    id: ColumnElement[Any]
    email: ColumnElement[Any]
    hash: ColumnElement[Any]
    name: ColumnElement[Any] | None
    locale: ColumnElement[Any] | None
    reference: ColumnElement[Any] | None
    factor: ColumnElement[Any] | None
    version: ColumnElement[Any] | None
    active: ColumnElement[bool] | None
    sessions: TableClause | None
    sessions_user: ColumnElement[Any] | None

    @property
    def longest_hash(self) -> int | None:
        """How many characters the column of hashes takes, where it has a limit."""
        return self.hash.type.length if isinstance(self.hash.type, String) else None


def value(of: ColumnElement[Any], given: str) -> Any | None:
    """Return a text as a column has it, or None for one that it cannot have.

    Only what `text_of` writes stands for a value: " 12", "1_000" or "0012" are nobody's.
    """
    found = converted(of, given)
    return found if found is not None and text_of(found) == given else None


def converted(of: ColumnElement[Any], given: str) -> Any | None:
    """Return a value as another column has it, however it is written there, or None."""
    kind = of.type
    try:
        if isinstance(kind, BigInteger):
            return number if abs(number := int(given)) < MOST else None
        if isinstance(kind, Uuid):
            return UUID(given) if kind.as_uuid else str(UUID(given))
        if isinstance(kind, LargeBinary):
            return bytes.fromhex(given)
    except ValueError:
        return None
    return given


def values(of: ColumnElement[Any], given: Sequence[str]) -> list[Any]:
    """Return those texts that a column can have, as it has them."""
    return [found for each in given if (found := value(of, each)) is not None]


def written(connection: Connection, given: Sequence[str]) -> list[str]:
    """Return those texts that the database's encoding has: nobody there has another, and it refuses them."""
    raw = connection.connection.driver_connection
    encoding = "utf-8" if connection.dialect.name == "sqlite" else raw.info.encoding  # type: ignore[union-attr]
    encoding = "utf-8" if encoding == "ascii" else encoding  # SQL_ASCII, which takes any bytes
    return [each for each in given if "\0" not in each and _has(encoding, each)]


def _has(encoding: str, given: str) -> bool:
    try:
        given.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def text_of(given: Any) -> str:
    """Return a value of the table as text; NULL is empty."""
    if given is None:
        return ""
    return given.hex() if isinstance(given, bytes) else str(given)


def read(connection: Connection, settings: SqlIdentity) -> Mapped:
    """Return the tables and columns that the settings map. Raises StoreFault, which names what is missing."""
    accounts, columns = _table(connection, settings.table, "TABLE")
    found = {
        field: _column(accounts, columns, getattr(settings, field), field.upper())
        for field in ("id", "email", "hash", "name", "locale", "reference", "factor", "version")
    }
    negated = settings.active.startswith(_NOT)
    active = _column(accounts, columns, settings.active.removeprefix(_NOT), "ACTIVE")
    sessions, sessions_user = None, None
    if settings.sessions_table:
        sessions, of_sessions = _table(connection, settings.sessions_table, "SESSIONS_TABLE")
        sessions_user = _column(sessions, of_sessions, settings.sessions_user, "SESSIONS_USER")
    _check_version(found["version"], settings)
    if active is not None:
        active = not_(is_set(active)) if negated else is_set(active)
    return Mapped(  # the first three are required by the settings
        accounts=accounts, active=active, sessions=sessions, sessions_user=sessions_user,
        **found,  # type: ignore[arg-type]
    )  # fmt: skip


def is_set(of: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that a column has a value that is neither NULL nor false, zero or empty."""
    there = of.is_not(None)
    if isinstance(of.type, Boolean):
        return and_(there, of.is_(True))
    if isinstance(of.type, Integer | Numeric):
        return and_(there, of != 0)
    return and_(there, of != "") if isinstance(of.type, String) else there


def _table(connection: Connection, name: str, setting: str) -> tuple[TableClause, dict[str, TypeEngine[Any]]]:
    schema, _, bare = name.rpartition(".")
    try:
        found = inspect(connection).get_columns(bare, schema=schema or None)
    except NoSuchTableError:
        found = []
    if not found:
        raise StoreFault(f"there is no table '{name}' (PORTAL_IDENTITY_SQL_{setting}), or none for this role")
    columns = {each["name"]: each["type"] for each in found}
    # An id that is too long for the column is nobody's, and no error of the database.
    columns = {each: BigInteger() if isinstance(kind, Integer) else kind for each, kind in columns.items()}
    clauses = [column(each, kind) for each, kind in columns.items()]
    return table(bare, *clauses, schema=schema or None), columns


def _column(
    of: TableClause, columns: dict[str, TypeEngine[Any]], name: str, setting: str
) -> ColumnElement[Any] | None:
    if not name:
        return None
    if name not in columns:
        has = ", ".join(sorted(columns))
        raise StoreFault(
            f"the table '{of.name}' has no column '{name}' (PORTAL_IDENTITY_SQL_{setting}): {has}"
        )
    found: ColumnElement[Any] = of.c[name]
    return found


def _check_version(version: ColumnElement[Any] | None, settings: SqlIdentity) -> None:
    if version is None or isinstance(version.type, Integer | Uuid):
        return
    if not isinstance(version.type, String) or (version.type.length or LONGEST_MARK) < SHORTEST_MARK:
        raise StoreFault(
            f"the column '{settings.version}' (PORTAL_IDENTITY_SQL_VERSION) must have whole numbers, UUIDs "
            f"or texts of {SHORTEST_MARK} characters at least"
        )


def mark(version: ColumnElement[Any]) -> Any:
    """Return a new value for the column that ends sessions, of one account: nobody may guess it."""
    if isinstance(version.type, Uuid):
        return uuid4() if version.type.as_uuid else str(uuid4())
    longest = version.type.length if isinstance(version.type, String) else None
    return token_urlsafe(LONGEST_MARK)[: min(LONGEST_MARK, longest or LONGEST_MARK)]


def references(given: Any) -> tuple[str, ...]:
    """Return the customer numbers of an account: at most one."""
    found = text_of(given)
    return (found,) if found else ()
