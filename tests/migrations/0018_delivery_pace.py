"""The pace of each relay and the operator's pause are rows, which the workers of all machines share."""

from tests.migrations.rows import Rows, at


def carry(_rows: Rows) -> None:
    """Leave every row as it is: the new tables start empty."""


def write(rows: Rows) -> None:
    rows["mail_relays"] = [
        {
            "relay": "relay.example:587",
            "rate": 12.5,
            "tokens": 0.25,
            "filled_at": at(23, 9),
            "ceiling": 14.0,
            "slowed_at": at(23, 9),
        },
        {
            "relay": "localhost:25",
            "rate": 5.0,
            "tokens": 1.0,
            "filled_at": at(23, 9),
            "ceiling": None,
            "slowed_at": None,
        },
    ]
    rows["mail_pauses"] = [
        {"name": "bulk", "reason": "the text is wrong", "paused_at": at(23, 9)},
        {"name": "other", "reason": "-", "paused_at": at(23, 10)},
    ]
