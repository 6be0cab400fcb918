"""Second factors: one-time codes, recovery codes, proofs that wait for the next, and the loss of all."""

import sqlalchemy as sa
from alembic import op

revision = "0033_factors"
down_revision = "0032_costs"
branch_labels = None
depends_on = None

UTC = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add four tables, and when a session last proved whose it is: unknown for those that exist."""
    op.add_column("account_sessions", sa.Column("proved_at", UTC, nullable=True))
    op.create_table(
        "one_time_codes",
        sa.Column("account_id", sa.LargeBinary(16), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("last_step", sa.LargeBinary(16), nullable=False),
        sa.Column("added_on", UTC, nullable=False),
        sa.Column("used_on", UTC, nullable=True),
        sa.PrimaryKeyConstraint("account_id", name="pk_one_time_codes"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "recovery_codes",
        sa.Column("key", sa.LargeBinary(16), nullable=False),
        sa.Column("account_id", sa.LargeBinary(16), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_recovery_codes"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_recovery_codes_account_id", "recovery_codes", ["account_id"])
    op.create_table(
        "account_proofs",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("account_id", sa.LargeBinary(16), nullable=False),
        sa.Column("account_version", sa.Integer(), nullable=False),
        sa.Column("bound_to", sa.LargeBinary(16), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", UTC, nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_account_proofs"),
        sa.UniqueConstraint("token_hash", name="uq_account_proofs_token_hash"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_account_proofs_account_id", "account_proofs", ["account_id"])
    op.create_index("ix_account_proofs_made_at", "account_proofs", ["made_at"])
    op.create_table(
        "factor_removals",
        sa.Column("account_id", sa.LargeBinary(16), nullable=False),
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("account_version", sa.Integer(), nullable=False),
        sa.Column("confirmed_at", UTC, nullable=True),
        sa.Column("mail_at", UTC, nullable=True),
        sa.Column("ends_at", UTC, nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_factor_removals"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_factor_removals_mail_at", "factor_removals", ["mail_at"])
    op.create_index("ix_factor_removals_ends_at", "factor_removals", ["ends_at"])
