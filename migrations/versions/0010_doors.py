"""Doors that tell nothing without a key, and when a password was last chosen by a mailed link."""

import sqlalchemy as sa
from alembic import op

revision = "0010_doors"
down_revision = "0009_reset"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Begin the counts anew: what their new words are made with is not at hand here."""
    op.drop_table("sign_in_doors")
    op.create_table(
        "sign_in_doors",
        sa.Column("door", sa.LargeBinary(16), nullable=False),
        sa.Column("strangers", sa.LargeBinary(16), nullable=False),
        sa.Column("devices", sa.LargeBinary(16), nullable=False),
        sa.Column("sessions", sa.LargeBinary(16), nullable=False),
        sa.Column("forget_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("door", name="pk_sign_in_doors"),
    )
    op.add_column(
        "identity_accounts", sa.Column("chosen_by_mail_at", sa.DateTime(timezone=True), nullable=True)
    )


def downgrade() -> None:
    """Go back to counts in clear, and begin them anew as well."""
    op.drop_column("identity_accounts", "chosen_by_mail_at")
    op.drop_table("sign_in_doors")
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
