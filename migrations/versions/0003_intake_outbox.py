"""The intake and the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0003_intake_outbox"
down_revision = "0002_audit"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add sealed requests, prepared replies, caps, and the mails that leave."""
    op.create_table(
        "intake_requests",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("purpose", sa.String(40), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease", sa.LargeBinary(16), nullable=True),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_intake_requests"),
    )
    op.create_index("ix_intake_requests_due_at", "intake_requests", ["due_at"])
    op.create_table(
        "intake_replies",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("purpose", sa.String(40), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("kept", sa.LargeBinary(), nullable=False),
        sa.Column("browser", sa.LargeBinary(32), nullable=False),
        sa.Column("by_code", sa.LargeBinary(), nullable=False),
        sa.Column("code_tries", sa.SmallInteger(), nullable=False),
        sa.Column("code_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reusable", sa.Boolean(), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_intake_replies"),
        sa.UniqueConstraint("token_hash", name="uq_intake_replies_token_hash"),
    )
    op.create_index("ix_intake_replies_browser", "intake_replies", ["browser"])
    op.create_index("ix_intake_replies_code_expires_at", "intake_replies", ["code_expires_at"])
    op.create_index("ix_intake_replies_expires_at", "intake_replies", ["expires_at"])
    op.create_table(
        "intake_caps",
        sa.Column("key", sa.LargeBinary(16), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_intake_caps"),
    )
    op.create_index("ix_intake_caps_ends_at", "intake_caps", ["ends_at"])
    op.create_table(
        "outbox_mails",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("purpose", sa.String(40), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("ambiguous", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease", sa.LargeBinary(16), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(20), nullable=True),
        sa.Column("batch", sa.LargeBinary(16), nullable=True),
        sa.Column("unique_key", sa.LargeBinary(16), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("proof_hash", sa.LargeBinary(32), nullable=True),
        sa.Column("proof", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox_mails"),
        sa.UniqueConstraint("unique_key", name="uq_outbox_mails_unique_key"),
    )
    op.create_index("ix_outbox_mails_batch", "outbox_mails", ["batch"])
    op.create_index("ix_outbox_mails_proof_hash", "outbox_mails", ["proof_hash"])
    op.create_index(
        "ix_outbox_mails_due",
        "outbox_mails",
        ["priority", "due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
