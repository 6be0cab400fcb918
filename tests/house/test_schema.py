"""The migrations build exactly the tables that the code describes."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from portal.core.db import Base, Database
from tests import databases, processes


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty_url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
    else:
        with databases.postgres_copy(request.getfixturevalue("postgres"), template="template0") as url:
            yield url


def test_the_migrated_database_is_what_the_code_expects(empty_url):
    databases.import_models()
    processes.command({"PORTAL_ENVIRONMENT": "test", "PORTAL_DATABASE_URL": empty_url}, "db", "upgrade")
    database = Database(empty_url)
    with database.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    database.dispose()
    assert differences == []


def test_upgrading_twice_changes_nothing(empty_url):
    environ = {"PORTAL_ENVIRONMENT": "test", "PORTAL_DATABASE_URL": empty_url}
    for _ in range(2):
        assert "up to date" in processes.command(environ, "db", "upgrade")


def test_only_one_migration_follows_each_other():
    assert len(databases.heads()) == 1
