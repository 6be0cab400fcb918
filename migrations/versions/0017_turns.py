"""Indexes for the jobs that clean up: they find the rows that are due, and change 500 of them at a time."""

import sqlalchemy as sa
from alembic import op

revision = "0017_turns"
down_revision = "0016_days"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_account_sessions_seen_at", "account_sessions", ["seen_at"], None),
    ("ix_sign_in_doors_forget_at", "sign_in_doors", ["forget_at"], None),
    ("ix_rotation_choices_months_next_due_at", "rotation_choices", ["months", "next_due_at"], None),
    ("ix_intake_requests_due_at_asked_at", "intake_requests", ["due_at", "asked_at"], None),
    ("ix_intake_requests_leased", "intake_requests", ["lease"], "lease IS NOT NULL"),
    ("ix_outbox_mails_ended", "outbox_mails", ["state", "reason"], "due_at IS NULL"),
    (
        "ix_outbox_mails_finished",
        "outbox_mails",
        ["finished_at"],
        "(finished_at IS NOT NULL AND length(payload) > 0)",
    ),
)


def upgrade() -> None:
    """Build the indexes; no row changes."""
    op.drop_index("ix_intake_requests_due_at", "intake_requests")
    for name, table, columns, which in INDEXES:
        where = None if which is None else sa.text(which)
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
