"""How many people of a version of a list have each language, as their counts by kind of data."""

import sqlalchemy as sa
from alembic import op

revision = "0059_language_counts"
down_revision = "0058_reasons"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nobody counted the lists that there are."""
    op.add_column(
        "exposure_lists", sa.Column("language_counts", sa.Text(), nullable=False, server_default="{}")
    )
