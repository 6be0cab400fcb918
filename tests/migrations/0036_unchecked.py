"""Passwords to look up at the next sign-in. Nothing was noted before."""

from tests.migrations.rows import EVERY_BYTE, Rows


def carry(rows: Rows) -> None:
    """Everything stays as it is."""


def write(rows: Rows) -> None:
    rows["unchecked_passwords"] = [
        {"account_id": EVERY_BYTE[:16], "version": 3},
        {"account_id": EVERY_BYTE[16:32], "version": 2_000_000},
    ]
