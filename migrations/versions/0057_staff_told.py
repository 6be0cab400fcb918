"""Which approvers were mailed lately, so that many requests make few mails; passkeys by invitation."""

import sqlalchemy as sa
from alembic import op

revision = "0057_staff_told"
down_revision = "0056_discovered"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and its index, and the column."""
    op.create_table(
        "staff_told",
        sa.Column("member_id", sa.LargeBinary(16), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("more", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("member_id", name="pk_staff_told"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_staff_told_until", "staff_told", ["until"])
    with op.batch_alter_table("staff_invitations") as table:
        table.add_column(sa.Column("adds", sa.Boolean(), server_default=sa.false(), nullable=False))
