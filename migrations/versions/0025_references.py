"""Customer numbers of accounts get a table of their own: an account may have several."""

import sqlalchemy as sa
from alembic import op

revision = "0025_references"
down_revision = "0024_worker_heartbeats"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table. Former accounts keep their number in their row until they are imported again."""
    op.create_table(
        "identity_references",
        sa.Column("ref_index", sa.LargeBinary(16), nullable=False),
        sa.Column("owner_index", sa.LargeBinary(16), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("ref_index", "owner_index", name="pk_identity_references"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_identity_references_owner_index", "identity_references", ["owner_index"])
