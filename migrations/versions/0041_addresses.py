"""Changed addresses: what can be undone, and the addresses that accounts had."""

import sqlalchemy as sa
from alembic import op

revision = "0041_addresses"
down_revision = "0040_data_copies"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both tables, and sort them by their random keys at `portal db vacuum` on PostgreSQL."""
    op.create_table(
        "address_changes",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("account_id", sa.LargeBinary(16), nullable=False),
        sa.Column("account_version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_address_changes"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_address_changes_account_id", "address_changes", ["account_id"])
    op.create_index("ix_address_changes_ends_at", "address_changes", ["ends_at"])
    op.create_table(
        "past_addresses",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("account_id", sa.LargeBinary(16), nullable=False),
        sa.Column("address_index", sa.LargeBinary(16), nullable=False),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_past_addresses"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_past_addresses_account_id", "past_addresses", ["account_id"])
    op.create_index("ix_past_addresses_address_index", "past_addresses", ["address_index"])
    if op.get_bind().dialect.name != "sqlite":
        for table in ("address_changes", "past_addresses"):
            op.execute(f"ALTER TABLE {table} CLUSTER ON pk_{table}")
