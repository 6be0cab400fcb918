"""How many people have each language. Nobody counted them before."""

from tests.migrations.rows import Rows


def carry(rows: Rows) -> None:
    for version in rows.get("exposure_lists", []):
        version["language_counts"] = "{}"


def write(rows: Rows) -> None:
    rows["exposure_lists"][0]["language_counts"] = '{"en": 2, "": 1}'
