"""Required resets that the console asked for. There were none before."""

from tests.migrations.rows import EVERY_BYTE, Rows, at


def carry(rows: Rows) -> None:
    """Add nothing."""


def write(rows: Rows) -> None:
    for start, held in ((0, True), (70, False)):
        rows.setdefault("reset_runs", []).append(
            {
                "id": EVERY_BYTE[start : start + 16],
                "subject": "november" if held else "",
                "list_version": 1 if held else None,
                "state": "counting" if held else "done",
                "tally": "" if held else '{"accounts":3}',
                "acting": '{"by":"staff 00"}',
                "asked_at": at(23),
                "row_mac": EVERY_BYTE[start + 16 : start + 48],
                "changed_at": at(23, 9),
                "lease": EVERY_BYTE[32:48] if held else None,
                "done": 3,
                "total": 5,
                "fault": "",
            }
        )
