"""The pace of each relay and the operator's pause are rows, which the workers of all machines share."""

import sqlalchemy as sa
from alembic import op

revision = "0018_delivery_pace"
down_revision = "0017_turns"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "mail_relays",
        sa.Column("relay", sa.String(300), nullable=False),
        sa.Column("rate", sa.Float(), nullable=False),
        sa.Column("tokens", sa.Float(), nullable=False),
        sa.Column("filled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ceiling", sa.Float(), nullable=True),
        sa.Column("slowed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("relay", name="pk_mail_relays"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mail_pauses",
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_mail_pauses"),
        sqlite_with_rowid=False,
    )
