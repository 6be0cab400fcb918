"""What happened to an account, for its owner to see."""

import sqlalchemy as sa
from alembic import op

revision = "0037_account_events"
down_revision = "0036_unchecked"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "account_events",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("account_id", sa.LargeBinary(16), nullable=False),
        sa.Column("day", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_account_events"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_account_events_account_id_day", "account_events", ["account_id", "day"])
    op.create_index("ix_account_events_day", "account_events", ["day"])
