"""Former reasons of what was withdrawn are in the portal's default language alone."""

from tests.migrations.rows import ANY_TEXT, Rows

TABLES = ("incidents_statements", "incidents_updates")


def carry(rows: Rows) -> None:
    for table in TABLES:
        for row in rows.get(table, []):
            row["withdrawn_in"] = None


def write(rows: Rows) -> None:
    for table in TABLES:
        rows[table][0]["withdrawn_in"] = {"es": ANY_TEXT}
