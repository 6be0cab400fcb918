"""Checklists: what a company does after a breach, per incident."""

import sqlalchemy as sa
from alembic import op

revision = "0049_checklist"
down_revision = "0048_reset_runs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    utc = sa.DateTime(timezone=True)
    op.create_table(
        "checklist_items",
        sa.Column("incident_id", sa.LargeBinary(16), nullable=False),
        sa.Column("item", sa.String(20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("owner", sa.LargeBinary(16), nullable=True),
        sa.Column("due_at", utc, nullable=True),
        sa.Column("done_at", utc, nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=False),
        sa.Column("reminded_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("incident_id", "item", name="pk_checklist_items"),
        sqlite_with_rowid=False,
    )
