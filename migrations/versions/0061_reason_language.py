"""The language of the reason for which a text was withdrawn: the portal's default one may change."""

import sqlalchemy as sa
from alembic import op

revision = "0061_reason_language"
down_revision = "0060_promises"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; nobody noted the language of former reasons."""
    for table in ("incidents_statements", "incidents_updates"):
        op.add_column(table, sa.Column("withdrawn_language", sa.String(16), nullable=True))
