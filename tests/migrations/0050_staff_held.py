"""What is held of staff, one row. There was none before: an operator accepts who is staff."""

from tests.migrations.rows import EVERY_BYTE, Rows


def carry(rows: Rows) -> None:
    """Add nothing."""


def write(rows: Rows) -> None:
    rows["staff_held"] = [{"id": 1, "number": 7, "content": EVERY_BYTE * 3, "row_mac": EVERY_BYTE[16:48]}]
