"""What the mails about an update say is frozen when the first of them is queued."""

import sqlalchemy as sa
from alembic import op

revision = "0022_update_words"
down_revision = "0021_replies"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table. Mails that were queued before say only that there is news."""
    op.create_table(
        "subscriptions_words",
        sa.Column("update_id", sa.LargeBinary(16), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("update_id", "language", name="pk_subscriptions_words"),
    )
