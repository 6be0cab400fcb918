"""Former texts are not withdrawn, nothing is scheduled, and no statement promised when more follows."""

from tests.migrations.rows import ANY_TEXT, Rows, at

NORTHWIND, STAGED = b"incident north \0", b"incident staged1"
WITHDRAWN = ("withdrawn_at", "withdrawn_for", "text_hash")


def carry(rows: Rows) -> None:
    for incident in rows.get("incidents", []):
        incident["more_by"] = None
    for table in ("incidents_statements", "incidents_updates"):
        for row in rows.get(table, []):
            row.update(dict.fromkeys(WITHDRAWN))


def write(rows: Rows) -> None:
    rows["incidents"][-1]["more_by"] = at(27, 18)
    for table in ("incidents_statements", "incidents_updates"):
        rows[table][0] |= {"withdrawn_at": at(26, 2), "withdrawn_for": ANY_TEXT, "text_hash": b"\x78" * 32}
    rows["incidents_schedules"] = [
        {
            "incident_id": incident,
            "at": at(27, 6),
            "content": ANY_TEXT,
            "row_mac": b"\x79" * 32,
            "fault": fault,
        }
        for incident, fault in ((NORTHWIND, None), (STAGED, ANY_TEXT))
    ]
