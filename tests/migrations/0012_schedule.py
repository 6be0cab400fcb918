"""What is scheduled is a row with its next time; the worker adds the rows itself."""

from tests.migrations.rows import Rows, at


def carry(_rows: Rows) -> None:
    """Leave every row as it is: the new table starts empty."""


def write(rows: Rows) -> None:
    rows["scheduled_jobs"] = [
        {"name": "intake.tidy", "next_at": at(23, 9)},
        {"name": "audit.verify", "next_at": at(23, 10)},
    ]
