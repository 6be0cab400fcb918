"""The log: three entries of a whole chain, two of them signed with the key `AUDIT_KEY`."""

from tests.migrations.rows import Rows, at

AUDIT_KEY = bytes(range(32))
FIRST = bytes.fromhex("ffd2bd5e4a67fe0519c243cdf5301de104aead0eb193eb3be75c30f90ae79b2a")
SECOND = bytes.fromhex("2b14062e0dde2fc995400830b5ea28e3706ccbc22d16e61d6548ee86b5c8f091")
THIRD = bytes.fromhex("852762f706442cf003c18dfd315a0bbed442f4c8fa9782fa8ac649fa8e2b325e")
FIRST_SIGNED = bytes.fromhex("c7472b72dbb4186d2209b520223048e414c22b7456e162203bdccd57354b8ee8")
SECOND_SIGNED = bytes.fromhex("488226871a58502b9033a415667098c1af008d4e2748449ea34d013eac696712")


def carry(rows: Rows) -> None:
    rows["audit_head"] = [{"id": 1, "number": 0, "digest": b"\0" * 32}]


def write(rows: Rows) -> None:
    rows["audit_head"] = [{"id": 1, "number": 3, "digest": THIRD}]
    rows["audit_entries"] = [
        {
            "number": 1,
            "at": at(23, 9),
            "action": "incidents.create",
            "subject": "northwind-2026",
            "details": '{"classes":2}',
            "previous": b"\0" * 32,
            "digest": FIRST,
        },
        {
            "number": 2,
            "at": at(23, 9, 30, 15, 123_456),
            "action": "incidents.publish",
            "subject": "northwind-2026",
            "details": '{"languages":"en, español","update":null}',
            "previous": FIRST,
            "digest": SECOND,
        },
        {
            "number": 3,
            "at": at(24),
            "action": "exposure.activate",
            "subject": "northwind-2026",
            "details": '{"people":3,"version":1}',
            "previous": SECOND,
            "digest": THIRD,
        },
    ]
    rows["audit_checkpoints"] = [
        {"number": 1, "at": at(23, 9, 5), "digest": FIRST, "signature": FIRST_SIGNED},
        {"number": 2, "at": at(23, 9, 35), "digest": SECOND, "signature": SECOND_SIGNED},
    ]
