"""The rows by which processes find out whether they can store. They add them themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0013_storage_probes"
down_revision = "0012_schedule"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "storage_probes",
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("value", sa.LargeBinary(16), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_storage_probes"),
    )
