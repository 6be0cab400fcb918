"""What the worker holds valid of staff, and an index that finds the log's entries about one subject."""

import sqlalchemy as sa
from alembic import op

revision = "0050_staff_held"
down_revision = "0049_checklist"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the index. The one row is the worker's to write: it has a MAC."""
    op.create_table(
        "staff_held",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_staff_held"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_audit_entries_subject", "audit_entries", ["subject", "number"])
