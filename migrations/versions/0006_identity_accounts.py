"""The builtin user store, and sign-in."""

import sqlalchemy as sa
from alembic import op

revision = "0006_identity_accounts"
down_revision = "0005_exposure"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add accounts, sessions, and the counts of failed tries."""
    op.create_table(
        "identity_accounts",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("address_index", sa.LargeBinary(16), nullable=False),
        sa.Column("ref_index", sa.LargeBinary(16), nullable=False),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        sa.Column("password_hash", sa.String(512), nullable=False),
        sa.Column("closed_hash", sa.String(512), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("must_reset", sa.Boolean(), nullable=False),
        sa.Column("reset_reason", sa.String(100), nullable=True),
        sa.Column("reset_required_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("password_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_identity_accounts"),
        sa.UniqueConstraint("address_index", name="uq_identity_accounts_address_index"),
    )
    op.create_index("ix_identity_accounts_ref_index", "identity_accounts", ["ref_index"])
    op.create_table(
        "identity_hash_shapes",
        sa.Column("shape", sa.String(60), nullable=False),
        sa.Column("accounts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("shape", name="pk_identity_hash_shapes"),
    )
    op.create_table(
        "account_sessions",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("account_id", sa.LargeBinary(16), nullable=False),
        sa.Column("account_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("password_tries", sa.SmallInteger(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("device", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_account_sessions"),
        sa.UniqueConstraint("token_hash", name="uq_account_sessions_token_hash"),
    )
    op.create_index("ix_account_sessions_account_id", "account_sessions", ["account_id"])
    op.create_index("ix_account_sessions_ends_at", "account_sessions", ["ends_at"])
    op.create_table(
        "sign_in_doors",
        sa.Column("account_index", sa.LargeBinary(16), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("strangers", sa.SmallInteger(), nullable=False),
        sa.Column("devices", sa.SmallInteger(), nullable=False),
        sa.Column("sessions", sa.SmallInteger(), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_index", "version", name="pk_sign_in_doors"),
    )
    op.create_table(
        "sign_in_waits",
        sa.Column("bucket", sa.LargeBinary(16), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("refuse_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name="pk_sign_in_waits"),
    )
    op.create_index("ix_sign_in_waits_tried_at", "sign_in_waits", ["tried_at"])


def downgrade() -> None:
    """Remove the tables."""
    for table in (
        "sign_in_waits",
        "sign_in_doors",
        "account_sessions",
        "identity_hash_shapes",
        "identity_accounts",
    ):
        op.drop_table(table)
