"""Which text made a promise. Nobody noted it before."""

from tests.migrations.rows import Rows, at


def carry(rows: Rows) -> None:
    for incident in rows.get("incidents", []):
        incident["promised_by"] = incident["promised_before"] = None


def write(rows: Rows) -> None:
    rows["incidents"][-1] |= {"promised_by": "update 7", "promised_before": at(26, 18)}
