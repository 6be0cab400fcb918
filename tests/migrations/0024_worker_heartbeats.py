"""The rows of worker processes; the table starts empty."""

from datetime import UTC, datetime

from tests.migrations.rows import ANY_TEXT, Rows

SEEN = datetime(2026, 11, 23, 9, 0, 15, 123456, tzinfo=UTC)


def carry(rows: Rows) -> None:
    """Nothing changes for what was there."""


def write(rows: Rows) -> None:
    rows["worker_heartbeats"] = [
        {"id": b"heartbeat row %02d" % number, "version": ANY_TEXT[:40], "started_at": SEEN, "seen_at": SEEN,
         "stopped_at": stopped}
        for number, stopped in enumerate((None, SEEN))
    ]  # fmt: skip
