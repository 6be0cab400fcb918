"""The tests' own databases: what one test changes, the next one does not find."""

import pytest
from sqlalchemy import NullPool, create_engine, text

from tests import databases


def version(url: str, statement: str = "") -> list[str]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        if statement:
            connection.execute(text(statement))
        return list(connection.scalars(text("SELECT version_num FROM alembic_version")))


@pytest.mark.postgres
@pytest.mark.parametrize(
    "change", ["UPDATE alembic_version SET version_num = '9999'", "DELETE FROM alembic_version"]
)
def test_a_database_that_is_used_again_has_its_version(postgres, change):
    with databases.postgres_copy(postgres) as url:
        before = version(url)
        assert version(url, change) != before
    with databases.postgres_copy(postgres) as again:
        assert (again, version(again)) == (url, before)
