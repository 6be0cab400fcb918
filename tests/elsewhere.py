"""Accounts in a table of the company's own, for tests of what the portal does with them."""

import sqlite3
from pathlib import Path

import pytest

ANA, TWIN = "ana@northwind.example", "twin@northwind.example"


@pytest.fixture
def company(tmp_path: Path) -> Path:
    """The company's database: Ana's account, and two that differ by case alone."""
    file = tmp_path / "company.db"
    with sqlite3.connect(file) as shop:
        shop.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT, password TEXT, name TEXT)")
        shop.executemany(
            "INSERT INTO customers (id, email, password, name) VALUES (?, ?, '!', ?)",
            [(7, "Ana@Northwind.example", "Ana Ruiz"), (8, TWIN, "Tom"), (9, TWIN.upper(), "Tim")],
        )
    shop.close()
    return file


@pytest.fixture
def environ(environ: dict[str, str], company: Path) -> dict[str, str]:
    return environ | {
        "PORTAL_IDENTITY_STORE": "sql",
        "PORTAL_IDENTITY_SQL_URL": f"sqlite:///{company}",
        "PORTAL_IDENTITY_SQL_TABLE": "customers",
        "PORTAL_IDENTITY_SQL_NAME": "name",
    }
