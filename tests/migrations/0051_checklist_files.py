"""Files on checklists. There were none before."""

from tests.migrations.rows import EVERY_BYTE, Rows, at


def carry(rows: Rows) -> None:
    """Add nothing."""


def write(rows: Rows) -> None:
    for start, kept in ((0, True), (70, False)):
        rows.setdefault("checklist_files", []).append(
            {
                "id": EVERY_BYTE[start : start + 16],
                "incident_id": EVERY_BYTE[16:32],
                "item": "insurer",
                "content": EVERY_BYTE * 2,
                "size": 1_234,
                "chunks": 1,
                "key": EVERY_BYTE[:80],
                "added_by": EVERY_BYTE[32:48],
                "added_at": at(24),
                "row_mac": EVERY_BYTE[start + 16 : start + 48] if kept else None,
            }
        )
        rows.setdefault("checklist_file_chunks", []).append(
            {"file_id": EVERY_BYTE[start : start + 16], "number": 0, "content": EVERY_BYTE}
        )
