"""Sort tables of what people do by their keys at `portal db vacuum` on PostgreSQL: their order tells."""

from alembic import op

revision = "0038_sorted_factors"
down_revision = "0037_account_events"
branch_labels = None
depends_on = None

TABLES = (
    "one_time_codes",
    "recovery_codes",
    "account_proofs",
    "account_events",
    "passkeys",
    "passkey_challenges",
)


def upgrade() -> None:
    """Name the key of each; SQLite keeps rows in that order by itself."""
    if op.get_bind().dialect.name == "sqlite":
        return
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} CLUSTER ON pk_{table}")
