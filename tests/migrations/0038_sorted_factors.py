"""Rows keep what they hold; only their order in PostgreSQL's files changes."""

from tests.migrations.rows import Rows


def carry(rows: Rows) -> None:
    """Nothing changes for what was there."""


def write(rows: Rows) -> None:
    """There is nothing new to write."""
