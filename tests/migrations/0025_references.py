"""Former accounts keep their customer number where it was."""

from tests.migrations.rows import EVERY_BYTE, Rows


def carry(rows: Rows) -> None:
    """Nothing changes for what was there."""


def write(rows: Rows) -> None:
    rows["identity_references"] = [
        {"ref_index": bytes([number]) * 16, "owner_index": b"\x5a" * 16, "sealed": EVERY_BYTE}
        for number in (0x5B, 0x5C)
    ]
