"""A list knows whether a notice to it goes out: to none so far."""

from tests.migrations.rows import Rows


def carry(rows: Rows) -> None:
    for version in rows.get("exposure_lists", []):
        version["notifying"] = False


def write(rows: Rows) -> None:
    rows["exposure_lists"][1]["notifying"] = True
