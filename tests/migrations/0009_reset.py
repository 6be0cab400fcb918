"""A run for everyone under way, a finished one for a list, and an interrupted one."""

from tests.migrations.rows import Rows, at


def carry(rows: Rows) -> None:
    """It only adds a table."""


def write(rows: Rows) -> None:
    rows["reset_requirements"] = [
        {
            "id": b"requirement 1\0\xff'",
            "subject": "",
            "list_version": None,
            "started_at": at(24, 19),
            "finished_at": None,
            "cursor": b"",
            "newly": 0,
            "already": 1,
            "renewed": 0,
            "mails": 0,
        },
        {
            "id": b"requirement 2 12",
            "subject": "northwind-2026",
            "list_version": 2,
            "started_at": at(23, 19),
            "finished_at": at(23, 19, 20, 21, 222_324),
            "cursor": b"\xff" * 16,
            "newly": 1,
            "already": 0,
            "renewed": 1,
            "mails": 2,
        },
        {
            "id": b"requirement 3333",
            "subject": "northwind-2026",
            "list_version": 3,
            "started_at": at(24, 18),
            "finished_at": None,
            "cursor": b"\x7f" * 16,
            "newly": 1,
            "already": 0,
            "renewed": 0,
            "mails": 1,
        },
    ]
