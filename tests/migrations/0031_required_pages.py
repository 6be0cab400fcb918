"""Interrupted jobs for lists have ended. One for everyone goes on: its cursor is still an account's id."""

from tests.migrations.rows import EVERY_BYTE, Rows, at

JOB = b"requirement 4444"


def carry(rows: Rows) -> None:
    for job in rows.get("reset_requirements", []):
        job |= {"people": 0, "altered": 0}
        if job["subject"] and job["finished_at"] is None:
            job["finished_at"] = job["started_at"]


def write(rows: Rows) -> None:
    rows["reset_requirements"].append(
        {
            "id": JOB,
            "subject": "northwind-2026",
            "list_version": 3,
            "started_at": at(25, 8),
            "finished_at": None,
            "cursor": EVERY_BYTE[:32],
            "people": 3,
            "altered": 1,
            "newly": 1,
            "already": 1,
            "renewed": 0,
            "mails": 1,
        }
    )
    rows["reset_counted"] = [{"key": JOB + EVERY_BYTE[:16]}, {"key": JOB + EVERY_BYTE[-16:]}]
