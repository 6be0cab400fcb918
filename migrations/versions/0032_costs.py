"""Costs of hashes are counted twice: as accounts came, and as they are. Until now, they came as they are."""

import sqlalchemy as sa
from alembic import op

revision = "0032_costs"
down_revision = "0031_required_pages"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the second count, of a table of a few rows."""
    op.add_column("identity_hash_shapes", sa.Column("came", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE identity_hash_shapes SET came = accounts")
