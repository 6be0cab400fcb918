"""Add prepared copies of people's data, which mailed links open."""

import sqlalchemy as sa
from alembic import op

revision = "0040_data_copies"
down_revision = "0039_sent_by_day"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, in the order of its random keys on either database."""
    op.create_table(
        "data_copies",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_data_copies"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_data_copies_ends_at", "data_copies", ["ends_at"])
    if op.get_bind().dialect.name != "sqlite":
        op.execute("ALTER TABLE data_copies CLUSTER ON pk_data_copies")
