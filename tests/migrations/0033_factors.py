"""Second factors. Sessions that were there have proved nothing since."""

from tests.migrations.rows import EVERY_BYTE, Rows, at

ACCOUNT, OTHER = EVERY_BYTE[:16], EVERY_BYTE[16:32]


def carry(rows: Rows) -> None:
    for session in rows.get("account_sessions", []):
        session["proved_at"] = None


def write(rows: Rows) -> None:
    rows["account_sessions"].append(
        rows["account_sessions"][0]
        | {"id": EVERY_BYTE[64:80], "token_hash": EVERY_BYTE[64:96], "proved_at": at(23, 9)}
    )
    rows["one_time_codes"] = [
        {
            "account_id": account,
            "secret": EVERY_BYTE[:92],
            "last_step": EVERY_BYTE[100:116],
            "added_on": at(23),
            "used_on": used,
        }
        for account, used in ((ACCOUNT, None), (OTHER, at(24)))
    ]
    rows["recovery_codes"] = [
        {"key": EVERY_BYTE[start : start + 16], "account_id": ACCOUNT} for start in (32, 48)
    ]
    rows["account_proofs"] = [
        {
            "id": EVERY_BYTE[start : start + 16],
            "purpose": purpose,
            "token_hash": EVERY_BYTE[start : start + 32],
            "account_id": ACCOUNT,
            "account_version": 3,
            "bound_to": bound_to,
            "address": EVERY_BYTE + EVERY_BYTE[:32],
            "made_at": at(23, 9, 30),
            "tries": 5,
        }
        for start, purpose, bound_to in ((128, "sign-in", bytes(16)), (160, "reset", OTHER))
    ]
    rows["factor_removals"] = [
        {
            "account_id": ACCOUNT,
            "id": EVERY_BYTE[200:216],
            "account_version": 1,
            "confirmed_at": None,
            "mail_at": None,
            "ends_at": at(30),
        },
        {
            "account_id": OTHER,
            "id": EVERY_BYTE[216:232],
            "account_version": 2,
            "confirmed_at": at(23, 9),
            "mail_at": at(24, 9),
            "ends_at": at(30),
        },
    ]
