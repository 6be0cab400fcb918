"""What the portal keeps of an account moves into a table of its own, unchanged."""

from tests.migrations.rows import EVERY_BYTE, Rows, at

MOVED = (
    "version",
    "must_reset",
    "reset_reason",
    "reset_required_at",
    "password_changed_at",
    "chosen_by_mail_at",
)


def carry(rows: Rows) -> None:
    rows["account_state"] = []
    for account in rows.get("identity_accounts", []):
        state = {"id": account["id"], "store": "builtin", "closed": account.pop("closed_hash"), "owner": None}
        rows["account_state"].append(state | {column: account.pop(column) for column in MOVED})
    if not rows["account_state"]:
        del rows["account_state"]


def write(rows: Rows) -> None:
    rows["account_state"].append(
        {
            "id": b"\x5d" * 16,
            "store": "company",
            "version": 4,
            "must_reset": True,
            "reset_reason": "everyone",
            "reset_required_at": at(26),
            "password_changed_at": None,
            "chosen_by_mail_at": at(25),
            "closed": None,
            "owner": EVERY_BYTE,
        }
    )
