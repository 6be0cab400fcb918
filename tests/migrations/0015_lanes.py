"""Requests lie in lanes; those that waited share the first. Their pace is one row, which begins long ago."""

from datetime import UTC, datetime

from tests.migrations.rows import Rows, at

NEVER = datetime(2000, 1, 1, tzinfo=UTC)


def carry(rows: Rows) -> None:
    for request in rows.get("intake_requests", []):
        request["lane"] = 0
    rows["intake_pace"] = [
        {"id": 1, "next_at": NEVER, "since": NEVER, "claimed": 0, "wait_seconds": 0, "measured_at": NEVER}
    ]


def write(rows: Rows) -> None:
    rows["intake_requests"][0]["lane"] = 255
    rows["intake_pace"] = [
        {
            "id": 1,
            "next_at": at(23, 9, 0, 0, 50_000),
            "since": at(23, 8, 59),
            "claimed": 4_711,
            "wait_seconds": 95,
            "measured_at": at(23, 9),
        }
    ]
