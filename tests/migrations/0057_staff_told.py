"""Approvers who were mailed lately: there were none before. Earlier invitations add nothing."""

from tests.migrations.rows import EVERY_BYTE, Rows, at


def carry(rows: Rows) -> None:
    for row in rows.get("staff_invitations", []):
        row["adds"] = False


def write(rows: Rows) -> None:
    for number, row in enumerate(rows["staff_invitations"]):
        row["adds"] = bool(number)
    for start, more in ((0, True), (70, False)):
        row = {"member_id": EVERY_BYTE[start : start + 16], "until": at(26), "more": more}
        rows.setdefault("staff_told", []).append(row)
