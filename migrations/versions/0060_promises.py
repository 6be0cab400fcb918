"""Which text made the promise of more news that stands, and what was promised before it."""

import sqlalchemy as sa
from alembic import op

revision = "0060_promises"
down_revision = "0059_language_counts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; nobody noted it before."""
    op.add_column("incidents", sa.Column("promised_by", sa.String(24)))
    op.add_column("incidents", sa.Column("promised_before", sa.DateTime(timezone=True)))
