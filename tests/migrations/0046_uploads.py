"""Uploads and comparisons. There were none before."""

from tests.migrations.rows import EVERY_BYTE, Rows, at


def carry(rows: Rows) -> None:
    """Change nothing."""


def write(rows: Rows) -> None:
    upload = {
        "id": EVERY_BYTE[:16],
        "incident_id": EVERY_BYTE[16:32],
        "purpose": "list",
        "form": "text",
        "state": "receiving",
        "actor": "staff 00ff",
        "mark": EVERY_BYTE[32:48],
        "size": 3_000_000_000,
        "received": 1_048_576,
        "chunks": 1,
        "created_at": at(23, 8),
        "changed_at": at(23, 9),
        "lease": None,
        "stage": "",
        "done": 0,
        "total": 0,
        "rows": 0,
        "rate": 0,
        "bad_rows": 0,
        "people": 0,
        "number": 0,
        "plan": None,
        "findings": None,
    }
    rows["list_uploads"] = [
        upload,
        upload
        | {
            "id": EVERY_BYTE[48:64],
            "purpose": "left-out",
            "form": "sheet",
            "state": "working",
            "size": None,
            "lease": EVERY_BYTE[64:80],
            "stage": "reading",
            "done": 3_000_000_000,
            "total": 3_000_000_001,
            "rows": 5_000,
            "rate": 40_000,
            "bad_rows": 1,
            "people": 4_999,
            "number": 2,
            "plan": EVERY_BYTE,
            "findings": EVERY_BYTE * 2,
        },
    ]
    first, second = EVERY_BYTE[:16], EVERY_BYTE[48:64]
    rows["list_upload_keys"] = [
        {"upload_id": first, "first": 0, "sealed": EVERY_BYTE[:80]},
        {"upload_id": first, "first": 3, "sealed": EVERY_BYTE[80:160]},
    ]
    rows["list_upload_chunks"] = [
        {"upload_id": first, "number": 0, "content": EVERY_BYTE * 4},
        {"upload_id": first, "number": 1, "content": EVERY_BYTE},
    ]
    rows["list_upload_lines"] = [
        {"upload_id": second, "page": 0, "reason": 0, "lines": "2,17,400"},
        {"upload_id": second, "page": 1, "reason": 1, "lines": "3"},
    ]
    rows["exposure_comparisons"] = [
        {"list_id": 2, "other_id": 1, "new": 3, "gone": 2, "changed": 1, "row_mac": EVERY_BYTE[:32]},
        {"list_id": 3, "other_id": 2, "new": 0, "gone": 0, "changed": 0, "row_mac": EVERY_BYTE[32:64]},
    ]
