"""Long work for the notices' pages. There was none before."""

from tests.migrations.rows import EVERY_BYTE, Rows, at


def carry(rows: Rows) -> None:
    """Add nothing."""


def write(rows: Rows) -> None:
    for start, made in ((0, True), (70, False)):
        rows.setdefault("notice_tasks", []).append(
            {
                "id": EVERY_BYTE[start : start + 16],
                "kind": "export" if made else "draft",
                "incident_id": EVERY_BYTE[16:32],
                "notice": 1 if made else 0,
                "state": "ready" if made else "waiting",
                "fields": '{"notice":"1"}',
                "acting": '{"by":"staff 00"}',
                "asked_at": at(23),
                "changed_at": at(23, 9),
                "lease": None if made else EVERY_BYTE[32:48],
                "done": 3_000_000_000,
                "total": 3_000_000_000,
                "fault": "",
                "people": 4,
                "chunks": 1,
                "file_key": EVERY_BYTE[:92] if made else None,
                "row_mac": EVERY_BYTE[start + 16 : start + 48],
            }
        )
        rows.setdefault("notice_task_chunks", []).append(
            {"task_id": EVERY_BYTE[start : start + 16], "number": start, "content": EVERY_BYTE}
        )
