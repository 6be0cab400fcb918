"""Rows as the portal of each revision wrote them: how they are put in, and how they are read back.

Each migration has a file of the same name beside this one, with two functions that change rows in place:
`carry` does what the migration must do to the rows that were there; `write` adds what the portal of that
revision wrote: two rows or more for every new table, with NULL as well as a value in every nullable column.
"""

from copy import deepcopy
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Protocol, cast

from alembic.script import ScriptDirectory
from sqlalchemy import MetaData

from portal.core.db import Database
from portal.runtime import schema

Rows = dict[str, list[dict[str, Any]]]

VERSION_TABLE = "alembic_version"
# Each of these has one row for ever.
ONE_ROW = {"key_canary", "audit_head", "incidents_content", "intake_pace", "staff_held"}
REVISIONS = [one.revision for one in ScriptDirectory.from_config(schema.alembic_config()).walk_revisions()][
    ::-1
]
EVERY_BYTE = bytes(range(256))
ANY_TEXT = "Ana's “ñandú”,\n\t\\x41 %s :name; Łódź 🦉 --"


class Migration(Protocol):
    """What the file of one migration holds."""

    def carry(self, rows: Rows) -> None: ...
    def write(self, rows: Rows) -> None: ...


def migration(revision: str) -> Migration:
    return cast("Migration", import_module(f"tests.migrations.{revision}"))


def written_by(revisions: list[str], after: Rows | None = None) -> Rows:
    """What the portal had written when its database had had these migrations, from the first one on.

    Or from the one after those that left `after`.
    """
    rows = deepcopy(after or {})
    for revision in revisions:
        migration(revision).carry(rows)
        migration(revision).write(rows)
    return rows


def carried(rows: Rows, *revisions: str) -> Rows:
    """What the migrations must make of rows, in the order of `stored`."""
    rows = deepcopy(rows)
    for revision in revisions:
        migration(revision).carry(rows)
    return {table: _in_order(rows[table]) for table in sorted(rows)}


def load(db: Database, rows: Rows, known: MetaData | None = None) -> None:
    """Put rows in the place of those that migrations left, parents first."""
    tables = (known or schema_of(db)).tables
    with db.engine.begin() as connection:
        for table in reversed(rows):
            connection.execute(tables[table].delete())
        for table, written in rows.items():
            connection.execute(tables[table].insert(), written)


def stored(db: Database, known: MetaData | None = None) -> Rows:
    """Every row of every table that has any; times in UTC."""
    tables = (known or schema_of(db)).tables
    with db.engine.connect() as connection:
        read = {
            name: [{column: _utc(value) for column, value in row.items()} for row in rows]
            for name, table in sorted(tables.items())
            if (rows := connection.execute(table.select()).mappings().all())
        }
    return {table: _in_order(rows) for table, rows in read.items()}


def gaps(rows: Rows, known: MetaData) -> list[str]:
    """What rows leave untried: tables with fewer than two, columns without a NULL or with nothing else."""
    tables = known.tables
    few = [name for name in tables if len(rows.get(name, [])) < (1 if name in ONE_ROW else 2)]
    columns = [column for table in tables.values() for column in table.columns if column.nullable]
    return few + [
        str(column)
        for column in columns
        if {row[column.name] is None for row in rows.get(column.table.name, [])} != {True, False}
    ]


def schema_of(db: Database) -> MetaData:
    """The tables as they are, without a look at what the portal knows of them."""
    metadata = MetaData()
    with db.engine.connect() as connection:
        metadata.reflect(connection, only=lambda name, _metadata: name != VERSION_TABLE)
    return metadata


def _in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: repr(sorted(row.items())))


def _utc(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def at(day: int, hour: int = 0, minute: int = 0, second: int = 0, micro: int = 0) -> datetime:
    """Return a time in November 2026, UTC."""
    return datetime(2026, 11, day, hour, minute, second, micro, tzinfo=UTC)
