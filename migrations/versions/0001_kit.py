"""The shared floor: limits."""

import sqlalchemy as sa
from alembic import op

from portal.kit.db import Utc

revision = "0001_kit"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the buckets of limits."""
    op.create_table(
        "rate_buckets",
        sa.Column("bucket", sa.LargeBinary(16), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("ends_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name="pk_rate_buckets"),
    )
    op.create_index("ix_rate_buckets_ends_at", "rate_buckets", ["ends_at"])
