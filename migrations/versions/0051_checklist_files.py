"""Files that prove what was done on a checklist, sealed to the worker."""

import sqlalchemy as sa
from alembic import op

revision = "0051_checklist_files"
down_revision = "0050_staff_held"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "checklist_files",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("incident_id", sa.LargeBinary(16), nullable=False),
        sa.Column("item", sa.String(20), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("added_by", sa.LargeBinary(16), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_checklist_files"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_checklist_files_incident_id", "checklist_files", ["incident_id"])
    op.create_table(
        "checklist_file_chunks",
        sa.Column("file_id", sa.LargeBinary(16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("file_id", "number", name="pk_checklist_file_chunks"),
        sqlite_with_rowid=False,
    )
