"""Passwords that are still to be looked up in a list that was away when they were chosen."""

import sqlalchemy as sa
from alembic import op

revision = "0036_unchecked"
down_revision = "0035_passkeys"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "unchecked_passwords",
        sa.Column("account_id", sa.LargeBinary(16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_unchecked_passwords"),
        sqlite_with_rowid=False,
    )
