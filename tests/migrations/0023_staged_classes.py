"""Nothing is staged in a former incident."""

from tests.migrations.rows import ANY_TEXT, Rows, at


def carry(rows: Rows) -> None:
    for incident in rows.get("incidents", []):
        incident["staged_classes"] = None


def write(rows: Rows) -> None:
    rows["incidents"].append(
        {
            "id": b"incident staged1",
            "slug": "staged",
            "title": ANY_TEXT,
            "titles": {},
            "classes": "Names",
            "staged_classes": "Names;Passwords",
            "state": "published",
            "created_at": at(26),
            "published_at": at(26, 1),
            "discreet": False,
            "happened_on": None,
        }
    )
