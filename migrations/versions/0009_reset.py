"""New passwords that are required of many: the runs, with counts."""

import sqlalchemy as sa
from alembic import op

revision = "0009_reset"
down_revision = "0008_campaigns"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "reset_requirements",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("subject", sa.String(100), nullable=False),
        sa.Column("list_version", sa.Integer(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cursor", sa.LargeBinary(16), nullable=False),
        sa.Column("newly", sa.Integer(), nullable=False),
        sa.Column("already", sa.Integer(), nullable=False),
        sa.Column("renewed", sa.Integer(), nullable=False),
        sa.Column("mails", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reset_requirements"),
    )
    op.create_index("ix_reset_requirements_subject", "reset_requirements", ["subject"])


def downgrade() -> None:
    """Remove the table."""
    op.drop_table("reset_requirements")
