"""Each worker process has a row that says when it was last seen."""

import sqlalchemy as sa
from alembic import op

revision = "0024_worker_heartbeats"
down_revision = "0023_staged_classes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; a worker adds its row when it starts."""
    op.create_table(
        "worker_heartbeats",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("version", sa.String(40), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_worker_heartbeats"),
        sqlite_with_rowid=False,
    )
