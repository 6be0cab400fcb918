"""Find the records of sent mails by their day, so that the operator may have them removed after a time."""

import sqlalchemy as sa
from alembic import op

revision = "0039_sent_by_day"
down_revision = "0038_sorted_factors"
branch_labels = None
depends_on = None

OF_NO_BATCH = sa.text("batch IS NULL")


def upgrade() -> None:
    """Index the day of those that belong to no notice."""
    op.create_index(
        "ix_outbox_delivered_day",
        "outbox_delivered",
        ["day"],
        sqlite_where=OF_NO_BATCH,
        postgresql_where=OF_NO_BATCH,
    )
