"""Prepared copies of people's data. Nobody could ask for one before."""

from tests.migrations.rows import EVERY_BYTE, Rows, at


def carry(rows: Rows) -> None:
    """Change nothing."""


def write(rows: Rows) -> None:
    rows["data_copies"] = [
        {"id": EVERY_BYTE[start : start + 16], "content": EVERY_BYTE, "ends_at": at(day)}
        for start, day in ((48, 23), (64, 24))
    ]
