"""Subscriptions to status updates, and reminders."""

import sqlalchemy as sa
from alembic import op

revision = "0007_subscriptions_rotation"
down_revision = "0006_identity_accounts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("incident_id", sa.LargeBinary(16), nullable=False),
        sa.Column("index", sa.LargeBinary(16), nullable=False),
        sa.Column("suppression", sa.LargeBinary(16), nullable=False),
        sa.Column("contact", sa.LargeBinary(), nullable=False),
        sa.Column("unsubscribe_hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_subscriptions"),
        sa.UniqueConstraint("index", name="uq_subscriptions_index"),
        sa.UniqueConstraint("unsubscribe_hash", name="uq_subscriptions_unsubscribe_hash"),
    )
    op.create_index("ix_subscriptions_in_order", "subscriptions", ["incident_id", "index"])
    op.create_table(
        "subscription_suppressions",
        sa.Column("index", sa.LargeBinary(16), nullable=False),
        sa.PrimaryKeyConstraint("index", name="pk_subscription_suppressions"),
    )
    op.create_table(
        "subscription_announcements",
        sa.Column("update_id", sa.LargeBinary(16), nullable=False),
        sa.Column("reached", sa.LargeBinary(16), nullable=True),
        sa.Column("enqueued", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("update_id", name="pk_subscription_announcements"),
    )
    op.create_table(
        "rotation_choices",
        sa.Column("account_id", sa.LargeBinary(16), nullable=False),
        sa.Column("months", sa.SmallInteger(), nullable=False),
        sa.Column("counted_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("off_hash", sa.LargeBinary(32), nullable=True),
        sa.PrimaryKeyConstraint("account_id", name="pk_rotation_choices"),
        sa.UniqueConstraint("off_hash", name="uq_rotation_choices_off_hash"),
    )
    op.create_index("ix_rotation_choices_next_due_at", "rotation_choices", ["next_due_at"])


def downgrade() -> None:
    """Remove the tables."""
    for table in (
        "rotation_choices",
        "subscription_announcements",
        "subscription_suppressions",
        "subscriptions",
    ):
        op.drop_table(table)
