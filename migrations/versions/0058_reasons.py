"""Why a text was withdrawn, in each language of its readers."""

import sqlalchemy as sa
from alembic import op

revision = "0058_reasons"
down_revision = "0057_staff_told"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; former reasons are in the portal's default language alone."""
    for table in ("incidents_statements", "incidents_updates"):
        op.add_column(table, sa.Column("withdrawn_in", sa.JSON(), nullable=True))
