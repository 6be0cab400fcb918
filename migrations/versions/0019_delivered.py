"""A narrow table for mails that were sent, and their number by batch and state. The worker moves them."""

import sqlalchemy as sa
from alembic import op

revision = "0019_delivered"
down_revision = "0018_delivery_pace"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables, empty: sent mails are moved a few at a time, which can be interrupted."""
    op.create_table(
        "outbox_delivered",
        sa.Column("proof_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("batch", sa.LargeBinary(16)),
        sa.Column("unique_key", sa.LargeBinary(16)),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("proof_hash", name="pk_outbox_delivered"),
        sa.UniqueConstraint("unique_key", name="uq_outbox_delivered_unique_key"),
        sqlite_with_rowid=False,
    )
    ended = sa.text("due_at IS NULL")
    op.drop_index("ix_outbox_mails_ended", "outbox_mails")
    op.create_index(
        "ix_outbox_mails_ended",
        "outbox_mails",
        ["state", "finished_at"],
        sqlite_where=ended,
        postgresql_where=ended,
    )
    op.create_table(
        "outbox_counts",
        sa.Column("batch", sa.LargeBinary(16), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("batch", "state", name="pk_outbox_counts"),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name != "sqlite":
        # `portal db vacuum` sorts by this key: the order in the files tells who was mailed after whom.
        op.execute("ALTER TABLE outbox_delivered CLUSTER ON pk_outbox_delivered")
