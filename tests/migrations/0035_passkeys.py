"""Passkeys and answered challenges; the tables start empty."""

from datetime import UTC, datetime

from tests.migrations.rows import Rows

AT = datetime(2026, 11, 23, 9, 5, tzinfo=UTC)


def carry(rows: Rows) -> None:
    """Nothing changes for what was there."""


def write(rows: Rows) -> None:
    rows["passkeys"] = [
        {"id": b"passkey row %04d" % number, "account_id": b"account row 0001",
         "credential": b"credential %05d" % number, "content": b"c" * 1564, "address": b"a" * 560}
        for number in (1, 2)
    ]  # fmt: skip
    rows["passkey_challenges"] = [{"number": b"challenge %06d" % number, "ends_at": AT} for number in (1, 2)]
