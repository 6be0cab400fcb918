"""Who is left out, taken together. Former notices are not bound to it."""

from tests.migrations.rows import EVERY_BYTE, Rows


def carry(rows: Rows) -> None:
    for row in rows.get("notices", []):
        row["without"] = ""


def write(rows: Rows) -> None:
    for start in (0, 70):
        rows.setdefault("exposure_left_out_sets", []).append(
            {
                "incident_id": EVERY_BYTE[start : start + 16],
                "version": 2,
                "people": 3,
                "digest": EVERY_BYTE[16:48],
                "history": '[[1,"staff 00","died",3]]',
                "row_mac": EVERY_BYTE[48:80],
            }
        )
