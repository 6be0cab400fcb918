"""Requests lie in lanes, from which the worker takes in turn; their pace is a row that all workers share."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0015_lanes"
down_revision = "0014_stored_hashes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column with its index, and the row. Requests that wait already share lane 0."""
    op.add_column("intake_requests", sa.Column("lane", sa.SmallInteger(), nullable=False, server_default="0"))
    op.create_index("ix_intake_requests_state_lane_due_at", "intake_requests", ["state", "lane", "due_at"])
    op.drop_index("ix_intake_requests_state_due_at", "intake_requests")
    pace = op.create_table(
        "intake_pace",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed", sa.Integer(), nullable=False),
        sa.Column("wait_seconds", sa.Integer(), nullable=False),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_intake_pace"),
    )
    never = datetime(2000, 1, 1, tzinfo=UTC)
    op.execute(
        pace.insert().values(id=1, next_at=never, since=never, claimed=0, wait_seconds=0, measured_at=never)
    )
