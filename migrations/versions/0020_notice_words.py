"""The words of a notice are frozen when it begins; an incident may be discreet and says when it happened."""

import sqlalchemy as sa
from alembic import op

revision = "0020_notice_words"
down_revision = "0019_delivered"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and tables. Notices that began before go on as they began, with the neutral mail."""
    no = sa.false()
    op.add_column("incidents", sa.Column("discreet", sa.Boolean(), nullable=False, server_default=no))
    op.add_column("incidents", sa.Column("happened_on", sa.Date()))
    op.add_column("incidents_statements", sa.Column("summary", sa.Text()))
    op.add_column("campaigns", sa.Column("frozen", sa.Boolean(), nullable=False, server_default=no))
    op.create_table(
        "campaigns_words",
        sa.Column("notice_id", sa.LargeBinary(16), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("incident_id", sa.LargeBinary(16), nullable=False),
        sa.Column("list_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("addresses", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", "language", name="pk_campaigns_words"),
    )
    op.create_table(
        "campaigns_subjects",
        sa.Column("incident_id", sa.LargeBinary(16), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", "language", name="pk_campaigns_subjects"),
    )
