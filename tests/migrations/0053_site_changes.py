"""Saved settings. There were none before."""

from tests.migrations.rows import EVERY_BYTE, Rows, at


def carry(rows: Rows) -> None:
    """Add nothing."""


def write(rows: Rows) -> None:
    for number, value in ((7, "desk@northwind.example"), (9, None)):
        rows.setdefault("site_changes", []).append(
            {
                "number": number,
                "name": "contact_email",
                "value": value,
                "at": at(26),
                "who": "staff 00112233445566778899aabbccddeeff",
                "row_mac": EVERY_BYTE[:32],
                "web_mac": EVERY_BYTE[32:64],
                "console_mac": EVERY_BYTE[64:96],
            }
        )
    for start in (0, 32):
        rows.setdefault("site_contents", []).append(
            {"id": EVERY_BYTE[start : start + 32], "content": EVERY_BYTE * 9, "added_at": at(26)}
        )
