"""A list that is active, one that was destroyed, and the people of both that are still there."""

from tests.migrations.rows import EVERY_BYTE, Rows, at

NORTHWIND, OTHER = b"incident north \0", b"incident draft\xff'"


def carry(rows: Rows) -> None:
    """It only adds tables."""


def write(rows: Rows) -> None:
    rows["exposure_lists"] = [
        {
            "id": 41,
            "incident_id": NORTHWIND,
            "number": 1,
            "state": "destroyed",
            "imported_at": at(23, 10),
            "data_key": None,
            "class_counts": "{}",
            "rows": 0,
            "people": 0,
            "addresses": 0,
            "duplicates": 0,
            "bad_rows": 0,
        },
        {
            "id": 42,
            "incident_id": NORTHWIND,
            "number": 2,
            "state": "ready",
            "imported_at": at(23, 11, 12, 13, 141_516),
            "data_key": EVERY_BYTE[:60],
            "class_counts": '{"Email addresses": 2, "Passwords": 1}',
            "rows": 4,
            "people": 2,
            "addresses": 2,
            "duplicates": 1,
            "bad_rows": 1,
        },
    ]
    rows["exposure_active"] = [
        {
            "incident_id": NORTHWIND,
            "list_id": 42,
            "activated_at": at(23, 12),
            "released": True,
            "voucher": b"\x41" * 32,
        },
        {
            "incident_id": OTHER,
            "list_id": 41,
            "activated_at": at(23, 10, 30),
            "released": False,
            "voucher": b"\x42" * 32,
        },
    ]
    rows["exposure_people"] = [
        {
            "list_id": 42,
            "fold_index": b"\0" * 16,
            "person_key": b"person 1 \0\xff\x80\xfe'ab",
            "blob": EVERY_BYTE + b"\0" * 28,
        },
        {
            "list_id": 42,
            "fold_index": b"\0" * 16,
            "person_key": b"person 2 of them",
            "blob": EVERY_BYTE[::-1] + b"\xff" * 28,
        },
        {"list_id": 41, "fold_index": b"\xff" * 16, "person_key": b"\xff" * 16, "blob": b""},
    ]
