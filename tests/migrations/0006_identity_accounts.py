"""Two accounts, one of them forced to a new password, with sessions and counts of failed tries.

The first one's `address_index` is that of `ADDRESS` under the key `ACCOUNT_INDEX_KEY`.
"""

from tests.migrations.rows import EVERY_BYTE, Rows, at

ADDRESS = "ana.garcia@example.org"
PASSWORD = "correct horse"
ACCOUNT_INDEX_KEY = bytes(range(32))
ANA, BEN = b"account ana \0\xff\x80'", b"account ben 1234"
HASH = "$argon2id$v=19$m=64,t=1,p=1$3M01pOCPcKzRg0JCCz7sHw$6qjViAstDIy9MdTThkNMmKT099jKNDf5k5KdHGlNQ4g"
OLDER = "$argon2id$v=19$m=64,t=1,p=1$xwrbbbqCwDTq3d8jtjGxRg$Q88ox/Bqmm81xDg77EZCK+vcdLwfdeijKKHMkF90ECs"


def carry(rows: Rows) -> None:
    """It only adds tables."""


def write(rows: Rows) -> None:
    rows["identity_accounts"] = [
        {
            "id": ANA,
            "address_index": bytes.fromhex("0f12a336e57292c58e14a61c86eb72f7"),
            "ref_index": b"\x51" * 16,
            "profile": EVERY_BYTE,
            "password_hash": HASH,
            "closed_hash": OLDER,
            "version": 3,
            "must_reset": True,
            "reset_reason": "northwind-2026",
            "reset_required_at": at(23, 13),
            "password_changed_at": at(1, 2, 3, 4, 567_890),
            "created_at": at(1),
        },
        {
            "id": BEN,
            "address_index": b"\x52" * 16,
            "ref_index": b"\x53" * 16,
            "profile": b"\0",
            "password_hash": OLDER,
            "closed_hash": HASH,
            "version": 1,
            "must_reset": False,
            "reset_reason": None,
            "reset_required_at": None,
            "password_changed_at": None,
            "created_at": at(2),
        },
    ]
    rows["identity_hash_shapes"] = [
        {"shape": "m=64,t=1,p=1", "accounts": 2},
        {"shape": "m=47104,t=1,p=1", "accounts": 0},
    ]
    rows["account_sessions"] = [
        {
            "id": b"session 1 \0\xff\x80'ab",
            "token_hash": b"\x54" * 32,
            "account_id": ANA,
            "account_version": 3,
            "created_at": at(23, 14),
            "seen_at": at(23, 14, 5),
            "ends_at": at(24, 2),
            "password_tries": 4,
            "address": EVERY_BYTE,
            "device": b"device \0",
        },
        {
            "id": b"session 2 123456",
            "token_hash": b"\x55" * 32,
            "account_id": ANA,
            "account_version": 2,
            "created_at": at(22),
            "seen_at": at(22),
            "ends_at": at(22, 12),
            "password_tries": 0,
            "address": b"",
            "device": EVERY_BYTE,
        },
    ]
    rows["sign_in_doors"] = [
        {
            "account_index": b"\x56" * 16,
            "version": 1,
            "strangers": 5,
            "devices": 0,
            "sessions": 1,
            "tried_at": at(23, 15),
        },
        {
            "account_index": b"\x56" * 16,
            "version": 2,
            "strangers": 0,
            "devices": 32_767,
            "sessions": 0,
            "tried_at": at(23, 16),
        },
    ]
    rows["sign_in_waits"] = [
        {"bucket": b"\x57" * 16, "failures": 1, "refuse_until": at(23, 15, 0, 1), "tried_at": at(23, 15)},
        {"bucket": b"\x58" * 16, "failures": 90, "refuse_until": at(24, 15), "tried_at": at(23, 15)},
    ]
