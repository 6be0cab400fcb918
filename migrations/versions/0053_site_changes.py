"""Settings that admins saved, and the logos and legal pages that they name."""

import sqlalchemy as sa
from alembic import op

revision = "0053_site_changes"
down_revision = "0052_notice_tasks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    utc = sa.DateTime(timezone=True)
    op.create_table(
        "site_changes",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("at", utc, nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=False),
        sa.Column("web_mac", sa.LargeBinary(32), nullable=False),
        sa.Column("console_mac", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_site_changes"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "site_contents",
        sa.Column("id", sa.LargeBinary(32), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", utc, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_site_contents"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_site_contents_added_at", "site_contents", ["added_at"])
