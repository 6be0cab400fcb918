"""Counts of failures start over in another form; accounts note when a mailed link chose their password."""

from tests.migrations.rows import Rows, at


def carry(rows: Rows) -> None:
    rows.pop("sign_in_doors", None)
    for account in rows.get("identity_accounts", []):
        account["chosen_by_mail_at"] = None


def write(rows: Rows) -> None:
    rows["identity_accounts"][0]["chosen_by_mail_at"] = at(24, 20, 21, 22, 232_425)
    rows["sign_in_doors"] = [
        {
            "door": b"\x81" * 16,
            "strangers": b"\x82" * 16,
            "devices": b"\x83" * 16,
            "sessions": b"\x84" * 16,
            "forget_at": at(25, 20),
        },
        {
            "door": b"\0" * 16,
            "strangers": b"\xff" * 16,
            "devices": b"door\0\xff\x80\xfe'abcdefg",
            "sessions": b"\x85" * 16,
            "forget_at": at(26, 20),
        },
    ]
