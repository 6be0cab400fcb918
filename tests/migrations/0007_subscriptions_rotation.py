"""Two subscribers, one who left, an announcement under way, and reminders on and off."""

from tests.migrations.rows import EVERY_BYTE, Rows, at

NORTHWIND = b"incident north \0"


def carry(rows: Rows) -> None:
    """It only adds tables."""


def write(rows: Rows) -> None:
    rows["subscriptions"] = [
        {
            "id": b"subscriber \0\xff\x80'a",
            "incident_id": NORTHWIND,
            "index": b"\x61" * 16,
            "suppression": b"\x62" * 16,
            "contact": EVERY_BYTE,
            "unsubscribe_hash": b"\x63" * 32,
        },
        {
            "id": b"subscriber 2 123",
            "incident_id": NORTHWIND,
            "index": b"\x64" * 16,
            "suppression": b"\x65" * 16,
            "contact": b"",
            "unsubscribe_hash": b"\x66" * 32,
        },
    ]
    rows["subscription_suppressions"] = [{"index": b"\0" * 16}, {"index": b"\xff" * 16}]
    rows["subscription_announcements"] = [
        {"update_id": b"update 1 \0\xff\x80\xfe'ab", "reached": b"\x61" * 16, "enqueued": 1},
        {"update_id": b"update 2 as typd", "reached": None, "enqueued": 0},
    ]
    rows["rotation_choices"] = [
        {
            "account_id": b"account ana \0\xff\x80'",
            "months": 6,
            "counted_from": at(23, 17),
            "next_due_at": at(30, 17, 18, 19, 202_122),
            "off_hash": b"\x67" * 32,
        },
        {
            "account_id": b"account ben 1234",
            "months": 0,
            "counted_from": at(22),
            "next_due_at": None,
            "off_hash": None,
        },
    ]
