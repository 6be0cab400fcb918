"""Former incidents are not discreet, former notices go on with the neutral mail; frozen words."""

from datetime import date

from tests.migrations.rows import ANY_TEXT, Rows, at

NORTHWIND = b"incident north \0"


def carry(rows: Rows) -> None:
    for incident in rows.get("incidents", []):
        incident |= {"discreet": False, "happened_on": None}
    for statement in rows.get("incidents_statements", []):
        statement["summary"] = None
    for campaign in rows.get("campaigns", []):
        campaign["frozen"] = False


def write(rows: Rows) -> None:
    rows["incidents"].append(
        {
            "id": b"incident clinic1",
            "slug": "clinic",
            "title": "A message",
            "titles": {},
            "classes": "Names",
            "state": "draft",
            "created_at": at(25),
            "published_at": None,
            "discreet": True,
            "happened_on": date(2026, 10, 28),
        }
    )
    rows["incidents_statements"][-1]["summary"] = ANY_TEXT
    rows["campaigns"].append(
        {
            "id": b"campaign 3 words",
            "incident_id": NORTHWIND,
            "list_id": 43,
            "begun_at": at(25, 18),
            "ended_at": None,
            "addresses": 5,
            "written": 1,
            "earlier": 0,
            "last_key": b"\x01" * 32,
            "voucher": b"\x73" * 32,
            "frozen": True,
        }
    )
    rows["campaigns_words"] = [
        {
            "notice_id": b"campaign 3 words",
            "language": language,
            "incident_id": NORTHWIND,
            "list_id": 43,
            "addresses": 5,
            "content": ANY_TEXT,
            "row_mac": b"\x74" * 32,
        }
        for language in ("en", "pt-BR")
    ]
    rows["campaigns_subjects"] = [
        {"incident_id": NORTHWIND, "language": language, "subject": ANY_TEXT, "row_mac": b"\x75" * 32}
        for language in ("en", "es")
    ]
