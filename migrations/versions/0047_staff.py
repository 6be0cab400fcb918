"""Staff: members, credentials, invitations, sessions, approvals; and a proof of worker's keys for them."""

import sqlalchemy as sa
from alembic import op

revision = "0047_staff"
down_revision = "0046_uploads"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables, and the column. A key without the proof is published anew within five seconds."""
    utc = sa.DateTime(timezone=True)
    op.add_column("worker_keys", sa.Column("staff_proof", sa.LargeBinary(16), nullable=True))
    op.create_table(
        "staff_members",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("address_index", sa.LargeBinary(16), nullable=False),
        sa.Column("roles", sa.String(60), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("added_at", utc, nullable=False),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_staff_members"),
        sa.UniqueConstraint("address_index", name="uq_staff_members_address_index"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "staff_credentials",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("member_id", sa.LargeBinary(16), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("added_at", utc, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_staff_credentials"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_staff_credentials_member_id", "staff_credentials", ["member_id"])
    op.create_table(
        "staff_invitations",
        sa.Column("id", sa.LargeBinary(32), nullable=False),
        sa.Column("member_id", sa.LargeBinary(16), nullable=False),
        sa.Column("replaces", sa.Boolean(), nullable=False),
        sa.Column("made_at", utc, nullable=False),
        sa.Column("ends_at", utc, nullable=False),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_staff_invitations"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_staff_invitations_member_id", "staff_invitations", ["member_id"])
    op.create_index("ix_staff_invitations_ends_at", "staff_invitations", ["ends_at"])
    op.create_table(
        "staff_challenges",
        sa.Column("id", sa.LargeBinary(32), nullable=False),
        sa.Column("ends_at", utc, nullable=False),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_staff_challenges"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_staff_challenges_ends_at", "staff_challenges", ["ends_at"])
    op.create_table(
        "staff_sessions",
        sa.Column("id", sa.LargeBinary(32), nullable=False),
        sa.Column("member_id", sa.LargeBinary(16), nullable=False),
        sa.Column("member_version", sa.Integer(), nullable=False),
        sa.Column("browser", sa.LargeBinary(), nullable=False),
        sa.Column("began_at", utc, nullable=False),
        sa.Column("seen_at", utc, nullable=False),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=False),
        sa.Column("proved_at", utc, nullable=False),
        sa.Column("how", sa.String(10), nullable=False),
        sa.Column("proof_mac", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_staff_sessions"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_staff_sessions_member_id", "staff_sessions", ["member_id"])
    op.create_index("ix_staff_sessions_began_at", "staff_sessions", ["began_at"])
    op.create_table(
        "staff_approvals",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.LargeBinary(16), nullable=False),
        sa.Column("asked_at", utc, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("decided_by", sa.LargeBinary(16), nullable=True),
        sa.Column("decided_at", utc, nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_staff_approvals"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_staff_approvals_asked_at", "staff_approvals", ["asked_at"])
    op.create_index("ix_staff_approvals_state", "staff_approvals", ["state"])
