"""Requests, answers and mails: as they are made, and with everything that comes later filled in."""

from tests.migrations.rows import EVERY_BYTE, Rows, at


def carry(rows: Rows) -> None:
    """It only adds tables."""


def write(rows: Rows) -> None:
    rows["intake_requests"] = [
        {
            "id": b"request waiting!",
            "purpose": "exposure-check",
            "state": "waiting",
            "asked_at": at(23, 9, 0, 0, 1),
            "due_at": at(23, 9, 0, 0, 1),
            "lease": b"lease \0\xff\x80\xfe' a 1",
            "attempts": 32_767,
            "sealed": EVERY_BYTE * 3,
        },
        {
            "id": b"request failed \0",
            "purpose": "reset",
            "state": "failed",
            "asked_at": at(22, 23, 59, 59),
            "due_at": None,
            "lease": None,
            "attempts": 0,
            "sealed": b"\0",
        },
    ]
    rows["intake_replies"] = [
        {
            "id": b"reply fresh \0\xff\x80'",
            "purpose": "exposure-check",
            "token_hash": b"\x01" * 32,
            "data": EVERY_BYTE,
            "kept": b"",
            "browser": b"\xfe" * 32,
            "by_code": EVERY_BYTE[::-1],
            "code_tries": 2,
            "code_expires_at": at(23, 9, 30),
            "created_at": at(23, 9),
            "expires_at": at(24, 9),
            "reusable": True,
            "spent_at": None,
        },
        {
            "id": b"reply spent 1234",
            "purpose": "reset",
            "token_hash": b"\x02" * 32,
            "data": b"\0",
            "kept": b"kept \xff",
            "browser": b"\xfe" * 32,
            "by_code": b"",
            "code_tries": 0,
            "code_expires_at": None,
            "created_at": at(22),
            "expires_at": at(23),
            "reusable": False,
            "spent_at": at(22, 1, 2, 3, 456_789),
        },
    ]
    rows["intake_caps"] = [
        {"key": b"\x11" * 16, "record": EVERY_BYTE, "ends_at": at(24)},
        {"key": b"\x12" * 16, "record": b"", "ends_at": at(25)},
    ]
    rows["outbox_mails"] = [
        {
            "id": b"mail queued \0\xff\x80'",
            "purpose": "reset-link",
            "priority": 0,
            "state": "sending",
            "attempts": 1,
            "ambiguous": 1,
            "due_at": at(23, 9, 0, 30),
            "lease": b"\x21" * 16,
            "created_at": at(23, 9),
            "finished_at": None,
            "reason": None,
            "batch": None,
            "unique_key": None,
            "payload": EVERY_BYTE * 8,
            "proof_hash": None,
            "proof": None,
        },
        {
            "id": b"mail that failed",
            "purpose": "campaign-notice",
            "priority": 9,
            "state": "failed",
            "attempts": 12,
            "ambiguous": 0,
            "due_at": None,
            "lease": None,
            "created_at": at(20),
            "finished_at": at(21, 4, 5, 6, 7),
            "reason": "smtp-550",
            "batch": b"campaign 2 12345",
            "unique_key": b"\x23" * 16,
            "payload": b"",
            "proof_hash": b"\x24" * 32,
            "proof": EVERY_BYTE,
        },
    ]
