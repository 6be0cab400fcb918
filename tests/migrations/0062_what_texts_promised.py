"""What each text promised. The last two were known before, and which text made the last."""

from tests.migrations.rows import Rows


def carry(rows: Rows) -> None:
    for incident in rows.get("incidents", []):
        by, before = incident.pop("promised_by"), incident.pop("promised_before")
        known = [] if before is None else [(None, before)]
        known += [] if by is None and incident["more_by"] is None else [(by, incident["more_by"])]
        incident["promises"] = [
            {"by": by, "more_by": at and at.isoformat(), "new": "yes"} for by, at in known
        ]


def write(rows: Rows) -> None:
    rows["incidents"][0]["promises"] = [
        {"by": "version 1", "more_by": "2026-11-26T18:00:00+00:00", "new": "yes"},
        {"by": "update 7", "more_by": None, "new": "yes", "fate": "gone"},
    ]
