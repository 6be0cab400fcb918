"""An update may have occurred on a day, without a time."""

import sqlalchemy as sa
from alembic import op

revision = "0028_days"
down_revision = "0027_left_out"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; the updates so far have a time."""
    op.add_column("incidents_updates", sa.Column("occurred_on", sa.Date(), nullable=True))
    op.add_column("incidents_wordings", sa.Column("occurred_on", sa.Date(), nullable=True))
