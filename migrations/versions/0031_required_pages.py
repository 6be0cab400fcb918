"""A required reset goes through the list in the list's order, and notes whom it has counted."""

import sqlalchemy as sa
from alembic import op

revision = "0031_required_pages"
down_revision = "0030_sealed_jobs"
branch_labels = None
depends_on = None

jobs = sa.table("reset_requirements", sa.column("subject"), sa.column("started_at"), sa.column("finished_at"))


def upgrade() -> None:
    """Add the table and the counts; end the jobs for lists that were interrupted.

    Their cursors are ids of accounts and lead nowhere in a list. The next command starts a new job, which
    counts as already required what they did, and mails nobody twice.
    """
    op.add_column("reset_requirements", sa.Column("people", sa.Integer(), nullable=False, server_default="0"))
    op.add_column(
        "reset_requirements", sa.Column("altered", sa.Integer(), nullable=False, server_default="0")
    )
    op.execute(
        jobs.update()
        .where(jobs.c.subject != "", jobs.c.finished_at.is_(None))
        .values(finished_at=jobs.c.started_at)
    )
    op.create_table(
        "reset_counted",
        sa.Column("key", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_reset_counted"),
        sqlite_with_rowid=False,
    )
