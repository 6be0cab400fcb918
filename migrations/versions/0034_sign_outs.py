"""The worker asks a company's store again to end an account's sessions, until it has."""

import sqlalchemy as sa
from alembic import op

revision = "0034_sign_outs"
down_revision = "0033_factors"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add how often it was asked; nothing waits yet."""
    op.add_column("reset_attempts", sa.Column("sign_outs", sa.Integer(), nullable=True))
