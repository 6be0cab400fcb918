"""A notice that is out, and one on its way."""

from tests.migrations.rows import Rows, at

NORTHWIND = b"incident north \0"


def carry(rows: Rows) -> None:
    """It only adds a table."""


def write(rows: Rows) -> None:
    rows["campaigns"] = [
        {
            "id": b"campaign 1 \0\xff\x80'a",
            "incident_id": NORTHWIND,
            "list_id": 41,
            "begun_at": at(23, 18),
            "ended_at": at(23, 18, 19, 20, 212_223),
            "addresses": 2,
            "written": 2,
            "earlier": 0,
            "last_key": b"\xff" * 32,
            "voucher": b"\x71" * 32,
        },
        {
            "id": b"campaign 2 12345",
            "incident_id": NORTHWIND,
            "list_id": 42,
            "begun_at": at(24, 18),
            "ended_at": None,
            "addresses": 3,
            "written": 0,
            "earlier": 2,
            "last_key": b"",
            "voucher": b"\x72" * 32,
        },
    ]
