"""Prepared answers lose the time of day at which they were used, and resets that at which they were made."""

from datetime import datetime

from tests.migrations.rows import Rows, at


def carry(rows: Rows) -> None:
    for reply in rows.get("intake_replies", []):
        reply["spent_at"] = reply["spent_at"] and day(reply["spent_at"])
        if reply["purpose"] == "reset":
            reply["created_at"] = day(reply["created_at"])


def write(rows: Rows) -> None:
    rows["intake_replies"][1]["spent_at"] = at(24)


def day(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)
