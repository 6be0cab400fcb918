"""People into and out of their table, in chunks that hold the database's lock for a moment only."""

import time
from collections.abc import Iterable
from itertools import islice

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from portal.core.db import Database
from portal.crypto.vault import INDEX_BYTES
from portal.exposure.models import ExposedPerson

Row = tuple[int, bytes, bytes, bytes]
FIRST_CHUNK = 4_000
MAX_CHUNK = 20_000
_LONG_SECONDS = 0.12
_SHORT_SECONDS = 0.05
_INSERT = "INSERT INTO exposure_people (list_id, fold_index, person_key, blob) VALUES (?, ?, ?, ?)"
_COPY = "COPY exposure_people (list_id, fold_index, person_key, blob) FROM STDIN (FORMAT BINARY)"


def insert(db: Database, rows: Iterable[Row]) -> None:
    """Insert rows that come in the order of their key.

    Each chunk is a transaction of its own, and as large as the time the last one took allows.
    """
    source = iter(rows)
    size = FIRST_CHUNK
    while chunk := list(islice(source, size)):
        with db.write() as session:
            begun = time.monotonic()
            insert_chunk(session, chunk, sqlite=db.is_sqlite)
        took = time.monotonic() - begun
        if took > _LONG_SECONDS:
            size = max(size // 2, 250)
        elif took < _SHORT_SECONDS:
            size = min(size * 2, MAX_CHUNK)


def insert_chunk(session: Session, chunk: list[Row], *, sqlite: bool) -> None:
    connection = session.connection()
    if sqlite:
        connection.exec_driver_sql(_INSERT, chunk)
        return
    raw = connection.connection.cursor()
    try:
        with raw.copy(_COPY) as copy:
            copy.set_types(["int8", "bytea", "bytea", "bytea"])
            for row in chunk:
                copy.write_row(row)
    finally:
        raw.close()


def remove(db: Database, list_id: int) -> None:
    """Delete the people of a list, a chunk per transaction."""
    while True:
        with db.write_in_turn() as session:
            keys = session.execute(
                select(ExposedPerson.fold_index, ExposedPerson.person_key)
                .where(ExposedPerson.list_id == list_id)
                .order_by(ExposedPerson.fold_index, ExposedPerson.person_key)
                .limit(FIRST_CHUNK)
            ).all()
            if not keys:
                return
            session.execute(
                delete(ExposedPerson).where(
                    ExposedPerson.list_id == list_id,
                    tuple_(ExposedPerson.fold_index, ExposedPerson.person_key) <= tuple_(*keys[-1]),
                )
            )


def page(session: Session, list_id: int, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
    """Return the next rows of a list in the order of their key, as (key, blob), after the key `after`."""
    key = tuple_(ExposedPerson.fold_index, ExposedPerson.person_key)
    statement = (
        select(ExposedPerson.fold_index, ExposedPerson.person_key, ExposedPerson.blob)
        .where(ExposedPerson.list_id == list_id)
        .order_by(ExposedPerson.fold_index, ExposedPerson.person_key)
        .limit(limit)
    )
    if after:
        statement = statement.where(key > tuple_(after[:INDEX_BYTES], after[INDEX_BYTES:]))
    return [(fold + person, blob) for fold, person, blob in session.execute(statement)]
