"""The data classes of a public incident change with its next publish."""

import sqlalchemy as sa
from alembic import op

revision = "0023_staged_classes"
down_revision = "0022_update_words"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nothing is staged."""
    op.add_column("incidents", sa.Column("staged_classes", sa.Text(), nullable=True))
