"""Cases. There were none before."""

from tests.migrations.rows import EVERY_BYTE, Rows, at


def carry(rows: Rows) -> None:
    """Change nothing."""


def write(rows: Rows) -> None:
    rows["cases"] = [
        {
            "number": "1234567890",
            "public": EVERY_BYTE[:32],
            "view": EVERY_BYTE * 8,
            "contact": EVERY_BYTE * 4,
            "record": None,
            "opened_on": at(23),
            "look_at": at(23),
            "closed_on": None,
        },
        {
            "number": "9876543210",
            "public": EVERY_BYTE[32:64],
            "view": EVERY_BYTE * 8,
            "contact": EVERY_BYTE * 4,
            "record": EVERY_BYTE * 24,
            "opened_on": at(23),
            "look_at": None,
            "closed_on": at(24),
        },
    ]
