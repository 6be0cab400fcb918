"""Indexes alone: no row changes, and none is new."""

from tests.migrations.rows import Rows


def carry(_rows: Rows) -> None:
    """Leave every row as it is."""


def write(_rows: Rows) -> None:
    """Add nothing: the tables are the same."""
