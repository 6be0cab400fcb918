"""What is scheduled is a row with its next time. The worker adds the rows itself."""

import sqlalchemy as sa
from alembic import op

revision = "0012_schedule"
down_revision = "0011_intake_order"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "scheduled_jobs",
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_scheduled_jobs"),
    )
