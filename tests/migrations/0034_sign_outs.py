"""No store is asked to end sessions on account of what happened before."""

from tests.migrations.rows import EVERY_BYTE, Rows, at


def carry(rows: Rows) -> None:
    for attempt in rows.get("reset_attempts", []):
        attempt["sign_outs"] = None


def write(rows: Rows) -> None:
    rows["reset_attempts"].append(
        {
            "account_key": EVERY_BYTE[:16],
            "attempt": None,
            "account": b"a" * 540,
            "unknown": False,
            "sign_outs": 2,
            "until": at(25, 8),
        }
    )
