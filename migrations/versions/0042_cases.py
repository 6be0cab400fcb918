"""Cases of people who cannot reach their inbox."""

import sqlalchemy as sa
from alembic import op

revision = "0042_cases"
down_revision = "0041_addresses"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; `portal db vacuum` sorts it by its random numbers on PostgreSQL."""
    op.create_table(
        "cases",
        sa.Column("number", sa.String(10), nullable=False),
        sa.Column("public", sa.LargeBinary(32), nullable=False),
        sa.Column("view", sa.LargeBinary(), nullable=False),
        sa.Column("contact", sa.LargeBinary(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=True),
        sa.Column("opened_on", sa.DateTime(timezone=True), nullable=False),
        sa.Column("look_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_on", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_cases"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_cases_look_at", "cases", ["look_at"])
    op.create_index("ix_cases_closed_on", "cases", ["closed_on"])
    if op.get_bind().dialect.name != "sqlite":
        op.execute("ALTER TABLE cases CLUSTER ON pk_cases")
