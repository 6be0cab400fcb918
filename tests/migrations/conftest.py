"""Empty databases, for migrations to begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.core.db import Database
from tests import databases


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty_db(request: pytest.FixtureRequest) -> Database:
    """A database without a table: the test runs once on SQLite and once on PostgreSQL."""
    database: Database = request.getfixturevalue(f"empty_{request.param}")
    return database


@pytest.fixture
def empty_sqlite(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    yield database
    database.dispose()


@pytest.fixture
def empty_postgresql(postgres) -> Iterator[Database]:
    with databases.postgres_without_tables(postgres) as url:
        database = Database(url)
        yield database
        database.dispose()
