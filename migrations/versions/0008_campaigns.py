"""Notices to everyone affected."""

import sqlalchemy as sa
from alembic import op

revision = "0008_campaigns"
down_revision = "0007_subscriptions_rotation"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the campaigns."""
    op.create_table(
        "campaigns",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("incident_id", sa.LargeBinary(16), nullable=False),
        sa.Column("list_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("addresses", sa.Integer(), nullable=False),
        sa.Column("written", sa.Integer(), nullable=False),
        sa.Column("earlier", sa.Integer(), nullable=False),
        sa.Column("last_key", sa.LargeBinary(32), nullable=False),
        sa.Column("voucher", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_campaigns"),
        sa.UniqueConstraint("incident_id", "list_id", name="uq_campaigns_incident_id_list_id"),
    )
