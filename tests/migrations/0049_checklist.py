"""Checklists. There were none before."""

from datetime import date

from tests.migrations.rows import EVERY_BYTE, Rows, at


def carry(rows: Rows) -> None:
    """Add nothing."""


def write(rows: Rows) -> None:
    for start, done in ((0, True), (70, False)):
        rows.setdefault("checklist_items", []).append(
            {
                "incident_id": EVERY_BYTE[start : start + 16],
                "item": "authorities",
                "version": 2,
                "owner": EVERY_BYTE[16:32] if done else None,
                "due_at": at(26) if done else None,
                "done_at": at(24) if done else None,
                "content": EVERY_BYTE * 2,
                "row_mac": EVERY_BYTE[start + 16 : start + 48],
                "reminded_on": date(2026, 11, 25) if done else None,
            }
        )
