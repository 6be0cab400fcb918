"""The removal of lost factors needs a code. Those that were begun without one are asked for anew."""

import sqlalchemy as sa
from alembic import op

revision = "0043_removal_codes"
down_revision = "0042_cases"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, and end what has no code."""
    op.execute("DELETE FROM factor_removals")
    op.add_column("factor_removals", sa.Column("code", sa.LargeBinary(16), nullable=True))
