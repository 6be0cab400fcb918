"""Removals of lost factors that were begun without a code end; confirmed ones have one from now on."""

from tests.migrations.rows import EVERY_BYTE, Rows, at


def carry(rows: Rows) -> None:
    """Whoever began one asks anew."""
    rows.pop("factor_removals", None)


def write(rows: Rows) -> None:
    rows["factor_removals"] = [
        {
            "account_id": EVERY_BYTE[start : start + 16],
            "id": EVERY_BYTE[start + 16 : start + 32],
            "account_version": 2,
            "code": code,
            "confirmed_at": confirmed_at,
            "mail_at": mail_at,
            "ends_at": at(30),
        }
        for start, code, confirmed_at, mail_at in (
            (0, None, None, None),
            (40, EVERY_BYTE[80:96], at(23, 9), at(24, 9)),
        )
    ]
