"""When the company found an incident out, which may be before it is written down here."""

import sqlalchemy as sa
from alembic import op

revision = "0056_discovered"
down_revision = "0055_left_out_sets"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("incidents", sa.Column("discovered_at", sa.DateTime(timezone=True), nullable=True))
