"""Long work for the notices' pages: drafts that take long to count, and sealed files of people."""

import sqlalchemy as sa
from alembic import op

revision = "0052_notice_tasks"
down_revision = "0051_checklist_files"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    utc = sa.DateTime(timezone=True)
    op.create_table(
        "notice_tasks",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("incident_id", sa.LargeBinary(16), nullable=False),
        sa.Column("notice", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("acting", sa.Text(), nullable=False),
        sa.Column("asked_at", utc, nullable=False),
        sa.Column("changed_at", utc, nullable=False),
        sa.Column("lease", sa.LargeBinary(16), nullable=True),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("fault", sa.String(30), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("file_key", sa.LargeBinary(), nullable=True),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notice_tasks"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_notice_tasks_state_changed_at", "notice_tasks", ["state", "changed_at"])
    op.create_index("ix_notice_tasks_incident_id", "notice_tasks", ["incident_id"])
    op.create_table(
        "notice_task_chunks",
        sa.Column("task_id", sa.LargeBinary(16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "number", name="pk_notice_task_chunks"),
        sqlite_with_rowid=False,
    )
