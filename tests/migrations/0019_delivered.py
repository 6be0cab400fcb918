"""Sent mails stay where they are: the worker moves them."""

from datetime import date

from tests.migrations.rows import EVERY_BYTE, Rows


def carry(_rows: Rows) -> None:
    """Leave every row as it is."""


def write(rows: Rows) -> None:
    rows["outbox_delivered"] = [
        {
            "batch": b"campaign 1 \0\xff\x80'a",
            "unique_key": b"\x71" * 16,
            "state": "sent",
            "day": date(2026, 11, 23),
            "proof_hash": b"\x72" * 32,
            "proof": EVERY_BYTE,
        },
        {
            "batch": None,
            "unique_key": None,
            "state": "uncertain",
            "day": date(2026, 2, 28),
            "proof_hash": b"\x73" * 32,
            "proof": b"",
        },
    ]
    rows["outbox_counts"] = [
        {"batch": b"campaign 1 \0\xff\x80'a", "state": "sent", "number": 1_000_000},
        {"batch": b"", "state": "uncertain", "number": 1},
    ]
