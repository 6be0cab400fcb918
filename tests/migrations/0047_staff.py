"""Staff. There were none before; a worker's key gets its proof for the console when it is next published."""

from typing import Any

from tests.migrations.rows import EVERY_BYTE, Rows, at


def carry(rows: Rows) -> None:
    """Keys of workers that ran an earlier version have no proof for the console."""
    for row in rows.get("worker_keys", []):
        row["staff_proof"] = None


def write(rows: Rows) -> None:
    for number, row in enumerate(rows.get("worker_keys", [])):
        row["staff_proof"] = EVERY_BYTE[16:32] if number else None
    for start, at_once in ((0, True), (70, False)):
        short, long = EVERY_BYTE[start : start + 16], EVERY_BYTE[start + 16 : start + 48]
        for table, row in _of_member(short, long, at_once=at_once).items():
            rows.setdefault(table, []).append(row)


def _of_member(short: bytes, long: bytes, *, at_once: bool) -> dict[str, dict[str, Any]]:
    ended = {"ends_at": at(26), "row_mac": long[::-1]}
    return {
        "staff_members": {
            "id": short,
            "name": EVERY_BYTE,
            "address": EVERY_BYTE * 2,
            "address_index": short[::-1],
            "roles": "admin author",
            "state": "active",
            "language": "en",
            "version": 2,
            "added_at": at(23),
            "row_mac": long,
        },
        "staff_credentials": {
            "id": short,
            "member_id": short,
            "kind": "totp",
            "added_at": at(23),
            "content": EVERY_BYTE * 8,
        },
        "staff_invitations": {
            "id": long,
            "member_id": short,
            "replaces": at_once,
            "made_at": at(23),
            **ended,
        },
        "staff_challenges": {"id": long, **ended},
        "staff_sessions": {
            "id": long,
            "member_id": short,
            "member_version": 2,
            "browser": EVERY_BYTE,
            "began_at": at(23),
            "seen_at": at(23, 9),
            "row_mac": long,
            "proved_at": at(23),
            "how": "totp",
            "proof_mac": long[::-1],
        },
        "staff_approvals": {
            "id": short,
            "kind": "staff.roles",
            "fields": '{"member":"00"}',
            "shown": '{"after":"admin"}',
            "digest": long,
            "reason": "",
            "asked_by": short,
            "asked_at": at(23),
            "state": "done" if at_once else "open",
            "decided_by": short[::-1] if at_once else None,
            "decided_at": at(23, 9) if at_once else None,
            "comment": "",
            "proof": '{"how":"totp"}',
            "result": "{}",
            "row_mac": long,
        },
    }
