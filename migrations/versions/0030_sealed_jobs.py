"""Passwords for a company's own store travel as sealed jobs to one worker process."""

import sqlalchemy as sa
from alembic import op

revision = "0030_sealed_jobs"
down_revision = "0029_account_state"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables, which stay empty with the builtin store."""
    op.create_table(
        "worker_keys",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("public", sa.LargeBinary(32), nullable=False),
        sa.Column("proof", sa.LargeBinary(16), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_worker_keys"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sealed_jobs",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("key_id", sa.LargeBinary(16), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verdict", sa.LargeBinary(), nullable=True),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sealed_jobs"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sealed_jobs_key_id_claimed_at", "sealed_jobs", ["key_id", "claimed_at"])
    op.create_index("ix_sealed_jobs_deadline", "sealed_jobs", ["deadline"])
    op.create_table(
        "reset_attempts",
        sa.Column("account_key", sa.LargeBinary(16), nullable=False),
        sa.Column("attempt", sa.LargeBinary(16), nullable=True),
        sa.Column("account", sa.LargeBinary(), nullable=False),
        sa.Column("unknown", sa.Boolean(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_key", name="pk_reset_attempts"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_reset_attempts_until", "reset_attempts", ["until"])
