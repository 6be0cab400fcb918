"""Changed addresses. Of what changed before, nothing is known."""

from tests.migrations.rows import EVERY_BYTE, Rows, at

ACCOUNT = EVERY_BYTE[:16]


def carry(rows: Rows) -> None:
    """Change nothing."""


def write(rows: Rows) -> None:
    rows["address_changes"] = [
        {
            "id": EVERY_BYTE[start : start + 16],
            "account_id": ACCOUNT,
            "account_version": version,
            "state": state,
            "ends_at": at(24),
            "sealed": EVERY_BYTE[:200],
        }
        for start, version, state in ((48, 2, "asked"), (64, 3, "changed"), (80, 4, "undone"))
    ]
    rows["past_addresses"] = [
        {
            "id": EVERY_BYTE[start : start + 16],
            "account_id": ACCOUNT,
            "address_index": EVERY_BYTE[start + 32 : start + 48],
            "held_until": at(24),
            "sealed": EVERY_BYTE[:200],
        }
        for start in (64, 80)
    ]
