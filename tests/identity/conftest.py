"""Databases of companies, with the tables of their products."""

from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from tests import databases
from tests.identity.shops import Table, cheap_hash
from tests.postgres import PostgresServer


@pytest.fixture(scope="session")
def company_postgres(postgres: PostgresServer) -> Iterator[str]:
    """One empty database of a company on the real PostgreSQL."""
    with databases.postgres_without_tables(postgres) as url:
        yield url


@pytest.fixture(scope="session")
def company_role(postgres: PostgresServer) -> str:
    """A role of the company's PostgreSQL without any right; it ends with the server."""
    name = f"portal_store_{token_hex(6)}"  # the server is that of every process of this run
    databases.execute(postgres, f"CREATE ROLE {name} LOGIN")
    return name


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def company_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of a company: the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        (tmp_path / "company.db").touch()
        yield f"sqlite:///{tmp_path}/company.db"
        return
    url = request.getfixturevalue("company_postgres")
    yield url
    Table(url, "django", cheap_hash).run("DROP SCHEMA public CASCADE")
    Table(url, "django", cheap_hash).run("CREATE SCHEMA public")


@pytest.fixture
def table(company_url: str) -> Callable[[str], Table]:
    """Create the tables of a framework, by its name."""

    def create(framework: str) -> Table:
        created = Table(company_url, framework, cheap_hash)
        created.create()
        return created

    return create
