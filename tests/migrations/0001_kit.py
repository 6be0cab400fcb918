"""The first migration: there is nothing before it."""

from tests.migrations.rows import EVERY_BYTE, Rows, at


def carry(rows: Rows) -> None:
    assert rows == {}


def write(rows: Rows) -> None:
    rows["rate_buckets"] = [
        {"bucket": b"\0" * 16, "hits": 1, "ends_at": at(23, 9)},
        {"bucket": b"\xff" * 16, "hits": 2_147_483_647, "ends_at": at(23, 9, 59, 59, 999_999)},
    ]
    rows["key_canary"] = [
        {"id": 1, "key_id": "a1b2c3d4", "sealed": EVERY_BYTE, "fingerprint": b"fingerprint \0\xff\x80'"},
    ]
