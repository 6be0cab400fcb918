"""Drafts, each save a row, and updates that one author published alone."""

from tests.migrations.rows import ANY_TEXT, EVERY_BYTE, Rows, at


def carry(_rows: Rows) -> None:
    """There were none."""


def write(rows: Rows) -> None:
    incident, update = rows["incidents"][0]["id"], rows["incidents_updates"][0]["id"]
    rows["incidents_drafts"] = [
        {
            "incident_id": incident,
            "document": document,
            "revision": revision,
            "base": base,
            "aside": aside,
            "parts_json": '{"title": "Ñandú \\ud83e\\udd89"}',
            "author": ANY_TEXT,
            "saved_at": at(29, revision),
        }
        for document, revision, base, aside in (
            ("statement:en", 1, 0, False),
            ("statement:en", 2, 0, True),
            ("update:00ff", 7, 6, False),
        )
    ]
    rows["incidents_unconfirmed"] = [
        {
            "id": EVERY_BYTE[start : start + 16],
            "update_id": update,
            "author": ANY_TEXT,
            "reason": ANY_TEXT,
            "at": at(29, 3),
            "confirmed_by": by,
            "confirmed_at": confirmed_at,
        }
        for start, by, confirmed_at in ((0, None, None), (32, ANY_TEXT, at(29, 9)))
    ]
