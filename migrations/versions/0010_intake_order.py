"""Fresh and held requests are found apart from each other."""

from alembic import op

revision = "0010_intake_order"
down_revision = "0009_reset"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Order the requests by state first."""
    op.drop_index("ix_intake_requests_due_at", table_name="intake_requests")
    op.create_index("ix_intake_requests_state_due_at", "intake_requests", ["state", "due_at"])
