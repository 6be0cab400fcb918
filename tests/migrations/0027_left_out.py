"""Nobody was left out of a former notice."""

from tests.migrations.rows import EVERY_BYTE, Rows


def carry(rows: Rows) -> None:
    for campaign in rows.get("campaigns", []):
        campaign["left_out"] = 0


def write(rows: Rows) -> None:
    rows["exposure_left_out"] = [
        {
            "incident_id": b"incident left o1",
            "person_index": bytes([number]) * 16,
            "person": EVERY_BYTE,
            "row_mac": b"\x71" * 32,
        }
        for number in (0x00, 0xFF)
    ]
