"""Fresh and held requests are found apart from each other; a list knows that a notice to it goes out."""

import sqlalchemy as sa
from alembic import op

revision = "0011_intake_order"
down_revision = "0010_doors"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index and the column."""
    op.create_index("ix_intake_requests_state_due_at", "intake_requests", ["state", "due_at"])
    op.add_column(
        "exposure_lists", sa.Column("notifying", sa.Boolean(), nullable=False, server_default=sa.false())
    )
