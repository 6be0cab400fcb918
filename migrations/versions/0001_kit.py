"""The shared floor: limits, and the canary of the keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001_kit"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the buckets of limits, and the canary."""
    op.create_table(
        "rate_buckets",
        sa.Column("bucket", sa.LargeBinary(16), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name="pk_rate_buckets"),
    )
    op.create_index("ix_rate_buckets_ends_at", "rate_buckets", ["ends_at"])
    op.create_table(
        "key_canary",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_key_canary"),
    )
