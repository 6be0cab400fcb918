"""The language of reasons for which texts were withdrawn. Nobody noted it before."""

from tests.migrations.rows import Rows

TABLES = ("incidents_statements", "incidents_updates")


def carry(rows: Rows) -> None:
    for table in TABLES:
        for row in rows.get(table, []):
            row["withdrawn_language"] = None


def write(rows: Rows) -> None:
    for table in TABLES:
        rows[table][0]["withdrawn_language"] = "en"
