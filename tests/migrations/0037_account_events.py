"""What happened to accounts. Of what happened before, nothing is known."""

from tests.migrations.rows import EVERY_BYTE, Rows, at

ACCOUNT = EVERY_BYTE[:16]


def carry(rows: Rows) -> None:
    """Change nothing."""


def write(rows: Rows) -> None:
    rows["account_events"] = [
        {
            "id": EVERY_BYTE[start : start + 16],
            "account_id": ACCOUNT,
            "day": at(day),
            "sealed": EVERY_BYTE[:156],
        }
        for start, day in ((48, 23), (64, 24))
    ]
