"""Required resets from the console: a count, and the reset that a second person approved."""

import sqlalchemy as sa
from alembic import op

revision = "0048_reset_runs"
down_revision = "0047_staff"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    utc = sa.DateTime(timezone=True)
    op.create_table(
        "reset_runs",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("subject", sa.String(100), nullable=False),
        sa.Column("list_version", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("tally", sa.Text(), nullable=False),
        sa.Column("acting", sa.Text(), nullable=False),
        sa.Column("asked_at", utc, nullable=False),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=False),
        sa.Column("changed_at", utc, nullable=False),
        sa.Column("lease", sa.LargeBinary(16), nullable=True),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("fault", sa.String(30), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reset_runs"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_reset_runs_asked_at", "reset_runs", ["asked_at"])
