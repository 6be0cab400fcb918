"""Every class of costs was counted as it is; that is how its accounts came."""

from tests.migrations.rows import Rows


def carry(rows: Rows) -> None:
    for shape in rows.get("identity_hash_shapes", []):
        shape["came"] = shape["accounts"]


def write(rows: Rows) -> None:
    rows["identity_hash_shapes"].append({"shape": "pbkdf2-sha256 600000", "accounts": 1, "came": 2_000_000})
