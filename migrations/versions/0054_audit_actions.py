"""An index of the audit log by action and time: the console asks for few actions of the last days."""

from alembic import op

revision = "0054_audit_actions"
down_revision = "0053_site_changes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_audit_entries_action_at", "audit_entries", ["action", "at"])
