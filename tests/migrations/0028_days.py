"""Former updates have a time; a new one may have a day instead."""

from datetime import date

from tests.migrations.rows import ANY_TEXT, Rows, at

UPDATE = b"update of a day1"
DAY = date(2026, 11, 20)


def carry(rows: Rows) -> None:
    for row in [*rows.get("incidents_updates", []), *rows.get("incidents_wordings", [])]:
        row["occurred_on"] = None


def write(rows: Rows) -> None:
    rows["incidents_updates"].append(
        {
            "id": UPDATE,
            "incident_id": rows["incidents_updates"][0]["incident_id"],
            "number": 90,
            "uuid": b"\x39" * 16,
            "phase": "contained",
            "occurred_at": at(20),
            "occurred_on": DAY,
            "written_at": at(24, 9),
            "published_at": at(24, 10),
            "edited_at": None,
            "notify": False,
            "announced_at": None,
            "withdrawn_at": None,
            "withdrawn_for": None,
            "text_hash": None,
            "voucher": None,
        }
    )
    rows["incidents_wordings"].append(
        {
            "update_id": UPDATE,
            "number": 1,
            "language": "en",
            "title": ANY_TEXT,
            "body": ANY_TEXT,
            "phase": "contained",
            "occurred_at": at(20),
            "occurred_on": DAY,
            "at": at(24, 9),
        }
    )
