"""When an incident was found out. Nobody said it before."""

from tests.migrations.rows import Rows, at


def carry(rows: Rows) -> None:
    """Nobody has said when."""
    for incident in rows.get("incidents", []):
        incident["discovered_at"] = None


def write(rows: Rows) -> None:
    rows["incidents"][0]["discovered_at"] = at(2, 9)
