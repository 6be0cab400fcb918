"""Password hashes are encrypted by the worker, whose form is longer; the migration leaves them alone."""

from tests.migrations.rows import Rows

ENCRYPTED = "A" * 720


def carry(_rows: Rows) -> None:
    """Leave every row as it is: a migration holds no keys."""


def write(rows: Rows) -> None:
    rows["identity_accounts"][0] |= {"password_hash": ENCRYPTED, "closed_hash": ENCRYPTED[::-1]}
