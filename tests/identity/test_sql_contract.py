"""The store `sql` keeps the contract on the tables of four frameworks, and on both databases."""

from collections.abc import Iterator

import pytest
from sqlalchemy import make_url

from portal.identity.sql.grants import statements
from tests.identity.contract import Contract, Shop
from tests.identity.shops import open_shop

# Laravel's tables have the most that is mapped: they are tried on both.
SQLITE = pytest.mark.parametrize("company_url", ["sqlite"], indirect=True)
POSTGRES = pytest.mark.parametrize(
    "company_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


class TestLaravel(Contract):
    """On PostgreSQL as a role that has the printed rights, and no others."""

    @pytest.fixture
    def shop(self, table, tmp_path, request) -> Iterator[Shop]:
        company = table("laravel")
        url = make_url(company.url)
        if url.get_backend_name() == "postgresql":
            url = url.set(username=request.getfixturevalue("company_role"))
            for statement in statements(company.mapping, str(url.username)):
                company.run(statement)
        with open_shop(company, tmp_path, url=str(url)) as shop:
            yield shop


@POSTGRES
class TestDjango(Contract):
    @pytest.fixture
    def shop(self, table, tmp_path) -> Iterator[Shop]:
        with open_shop(table("django"), tmp_path) as shop:
            yield shop


@SQLITE
class TestRails(Contract):
    @pytest.fixture
    def shop(self, table, tmp_path) -> Iterator[Shop]:
        with open_shop(table("rails"), tmp_path) as shop:
            yield shop


@SQLITE
class TestWordPress(Contract):
    @pytest.fixture
    def shop(self, table, tmp_path) -> Iterator[Shop]:
        with open_shop(table("wordpress"), tmp_path) as shop:
            yield shop
